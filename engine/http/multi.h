// SPDX-License-Identifier: MIT
/// Drives libcurl's one multi handle on the loop. Knows no Lua.
///   easy  one transfer: a libcurl handle that its owner makes, sets up and frees
///   turn  the moment after libcurl has returned: inside its callbacks nothing of it may be called
/// Invariant: without a transfer there is no handle on the loop, though a few connections are kept.
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

/// Once, before all else. `on_done` is told of a transfer that has ended and was taken out: its private pointer and its
/// result; it may call nothing of libcurl's. `on_turn` comes after each turn and may call anything.
void pe_multi_open(uv_loop_t *loop, void (*on_done)(void *transfer, CURLcode result), void (*on_turn)(void));

/// Starts a transfer; nothing of it happens before the loop's next turn. Returns 0 or the libuv status of a failure.
int pe_multi_add(CURL *easy);

/// Ends one that was added and is not done. Never from a callback of libcurl's.
void pe_multi_remove(CURL *easy);

/// Closes all connections. No transfer is left.
void pe_multi_close(void);

/// For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION of each transfer: sockets that programs do not
/// inherit, counted. `status` (an int, never NULL) gets the libuv status of a failure.
curl_socket_t pe_multi_on_connect(void *status, curlsocktype purpose, struct curl_sockaddr *address);
int pe_multi_on_disconnect(void *unused, curl_socket_t fd);
