// SPDX-License-Identifier: MIT
// Address literals. inet_pton knows no zones; those are cut off and looked up here.
#include "address.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

// A zone is an interface's name, or its index.
static unsigned find_zone(const char *zone) {
    char *rest, name[IF_NAMESIZE];
    unsigned by_name = if_nametoindex(zone), index = (unsigned)strtoul(zone, &rest, 10);
    return by_name || *rest != '\0' || !if_indextoname(index, name) ? by_name : index;
}

int pe_address_parse(const char *host, int port, struct sockaddr_storage *address) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    char bare[INET6_ADDRSTRLEN];
    size_t length = strcspn(host, "%");
    memset(address, 0, sizeof *address);
    v4->sin_port = v6->sin6_port = htons((uint16_t)port);
    v4->sin_family = AF_INET;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) return 0;
    if (length >= sizeof bare) return UV_EINVAL;
    memcpy(bare, host, length);
    bare[length] = '\0';
    v6->sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, bare, &v6->sin6_addr) != 1) return UV_EINVAL;
    if (host[length] == '%') v6->sin6_scope_id = find_zone(host + length + 1);
    return host[length] == '%' && !v6->sin6_scope_id ? UV_ENODEV : 0;
}

socklen_t pe_address_size(const struct sockaddr *address) {
    return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

int pe_address_push(lua_State *L, const struct sockaddr *address) {
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE] = "";
    getnameinfo(address, pe_address_size(address), text, sizeof text, NULL, 0, NI_NUMERICHOST);
    lua_pushstring(L, text);
    lua_pushinteger(L, ntohs(((const struct sockaddr_in *)address)->sin_port)); // where IPv6 has it, too
    return 2;
}
