// SPDX-License-Identifier: MIT
// Parses lists of name servers. Nothing is kept: the nodes lie in the caller's struct.
#include "servers.h"
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEM = 64 };

static bool read_port(const char *text, int *port) {
    char *end;
    long number = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number < 1 || number > 65535) return false;
    *port = (int)number;
    return true;
}

// Cuts `item` into address and port.
static bool read_server(char *item, struct ares_addr_port_node *node) {
    int port = 53;
    char *colon = strchr(item, ':'), *bracket = strchr(item, ']');
    node->family = *item == '[' || (colon && strchr(colon + 1, ':')) ? AF_INET6 : AF_INET;
    if (*item == '[') {
        if (!bracket || (bracket[1] && bracket[1] != ':') || (bracket[1] && !read_port(bracket + 2, &port)))
            return false;
        *bracket = 0;
        item++;
    } else if (node->family == AF_INET && colon) {
        if (!read_port(colon + 1, &port)) return false;
        *colon = 0;
    }
    node->udp_port = node->tcp_port = port;
    return inet_pton(node->family, item, &node->addr) == 1;
}

static void write_server(struct pe_servers *servers, const struct ares_addr_port_node *node) {
    char address[INET6_ADDRSTRLEN];
    size_t used = strlen(servers->text);
    inet_ntop(node->family, &node->addr, address, sizeof address);
    snprintf(servers->text + used, sizeof servers->text - used, node->family == AF_INET6 ? "%s[%s]:%d" : "%s%s:%d",
             used ? ", " : "", address, node->udp_port);
}

static void link_nodes(struct pe_servers *servers, const struct ares_addr_port_node *parsed, int first) {
    for (int i = 0; i < servers->count; i++) {
        servers->nodes[i] = parsed[(first + i) % servers->count];
        servers->nodes[i].next = i + 1 < servers->count ? &servers->nodes[i + 1] : NULL;
    }
}

int pe_servers_parse(struct pe_servers *servers, const char *list, int first, char *problem, size_t size) {
    struct ares_addr_port_node parsed[PE_SERVERS_MAX];
    servers->count = 0;
    servers->text[0] = 0;
    for (const char *at = list;; at++) {
        char item[ITEM];
        size_t length = strcspn(at, ",");
        if (servers->count == PE_SERVERS_MAX) {
            snprintf(problem, size, "too many servers: expected at most %d", PE_SERVERS_MAX);
            return -1;
        }
        snprintf(item, sizeof item, "%.*s", (int)length, at);
        if (length >= sizeof item || !read_server(item, &parsed[servers->count])) {
            snprintf(problem, size, "bad server \"%.*s\": expected an address, address:port or [ipv6]:port",
                     (int)(length < ITEM ? length : ITEM), at);
            return -1;
        }
        write_server(servers, &parsed[servers->count++]);
        at += length;
        if (!*at) break;
    }
    link_nodes(servers, parsed, first);
    return 0;
}
