// SPDX-License-Identifier: MIT
/// A list of name servers, as text and as c-ares wants it.
#pragma once

#include <ares.h>
#include <stddef.h>

enum { PE_SERVERS_MAX = 8 };

struct pe_servers {
    int count;
    struct ares_addr_port_node nodes[PE_SERVERS_MAX]; // linked in order
    char text[PE_SERVERS_MAX * 56];                   // "127.0.0.1:53, [::1]:5353", in the order given
};

/// Reads `list`, separated by commas: addresses, `address:port`, `[address]:port`; the port is 53 without one. The
/// nodes begin with the server at index `first`, modulo their count. Returns 0, or -1 with a message in `problem`.
int pe_servers_parse(struct pe_servers *servers, const char *list, int first, char *problem, size_t size);
