// SPDX-License-Identifier: MIT
/// Addresses as text: literals only, both ways, with the zone of a link-local one (`fe80::1%eth0`).
#pragma once

#include <lua.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

/// Reads a literal. Returns 0, UV_EINVAL for what is no literal, or UV_ENODEV for a zone that is not there.
int pe_address_parse(const char *host, int port, struct sockaddr_storage *address);

/// The size of an IPv4 or IPv6 socket address, as bind and sendto want it.
socklen_t pe_address_size(const struct sockaddr *address);

/// Pushes host and port; returns 2.
int pe_address_push(lua_State *L, const struct sockaddr *address);
