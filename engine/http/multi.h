// SPDX-License-Identifier: MIT
/// Drives libcurl's one multi handle on the loop. Knows no Lua.
///   member  one transfer: its owner makes, sets up and frees the libcurl handle, and does not touch the rest
///   turn    the moment after libcurl has returned: inside its callbacks nothing of it may be called
/// Invariant: without a transfer there is no handle on the loop, though a few connections are kept.
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

struct pe_multi_member {
    CURL *easy;
    bool is_waiting; // to be begun
    TAILQ_ENTRY(pe_multi_member) next;
};

/// Once, before all else. `on_done` is told of a member that has ended and was taken out; it may call nothing of
/// libcurl's but to ask its handle. `on_turn` comes after each turn and may call anything.
void pe_multi_open(uv_loop_t *loop, void (*on_done)(struct pe_multi_member *member, CURLcode result),
                   void (*on_turn)(void));

/// Starts a transfer; nothing of it happens before the loop's next turn. Its handle's private pointer is the member's
/// from now on. Returns 0 or the libuv status of a failure.
int pe_multi_add(struct pe_multi_member *member);

/// Ends one that was added and is not done. Never from a callback of libcurl's.
void pe_multi_remove(struct pe_multi_member *member);

/// Closes all connections. No transfer is left.
void pe_multi_close(void);

/// For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION of each transfer: sockets that programs do not
/// inherit, counted. `status` (an int, never NULL) gets the libuv status of a failure.
curl_socket_t pe_multi_on_connect(void *status, curlsocktype purpose, struct curl_sockaddr *address);
int pe_multi_on_disconnect(void *unused, curl_socket_t fd);
