// SPDX-License-Identifier: MIT
// The addresses of this host's interfaces.
#include "address.h"
#include "modules.h"
#include "vm.h"
#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

static bool is_internet(const struct ifaddrs *entry) {
    return entry->ifa_addr && (entry->ifa_addr->sa_family == AF_INET || entry->ifa_addr->sa_family == AF_INET6);
}

static void push_entry(lua_State *L, const struct ifaddrs *entry) {
    const struct {
        const char *name;
        unsigned flag;
    } flags[] = {{"up", IFF_UP}, {"multicast", IFF_MULTICAST}, {"loopback", IFF_LOOPBACK}};
    lua_createtable(L, 0, 7);
    lua_pushstring(L, entry->ifa_name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, if_nametoindex(entry->ifa_name));
    lua_setfield(L, -2, "index");
    pe_address_push(L, entry->ifa_addr);
    lua_pop(L, 1);
    lua_setfield(L, -2, "address");
    lua_pushstring(L, entry->ifa_addr->sa_family == AF_INET ? "inet" : "inet6");
    lua_setfield(L, -2, "family");
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        lua_pushboolean(L, (entry->ifa_flags & flags[i].flag) != 0);
        lua_setfield(L, -2, flags[i].name);
    }
}

static int push_all(lua_State *L) {
    struct ifaddrs **list = lua_touserdata(L, 1);
    int count = 0;
    lua_newtable(L);
    for (const struct ifaddrs *entry = *list; entry; entry = entry->ifa_next) {
        if (!is_internet(entry)) continue;
        push_entry(L, entry);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

// Protected, so that the list is freed whatever happens.
static int l_interfaces(lua_State *L) {
    struct ifaddrs *list = NULL;
    lua_pushcfunction(L, push_all);
    lua_pushlightuserdata(L, &list);
    if (getifaddrs(&list)) return pe_vm_fail(L, -errno, "cannot list the network interfaces");
    int status = lua_pcall(L, 1, 1, 0);
    freeifaddrs(list);
    return status ? lua_error(L) : 1;
}

// How well an address serves to be called by others; 0: not at all.
static int rate(const struct ifaddrs *entry) {
    if (!is_internet(entry) || !(entry->ifa_flags & IFF_UP) || entry->ifa_flags & IFF_LOOPBACK) return 0;
    if (entry->ifa_addr->sa_family == AF_INET6)
        return !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)entry->ifa_addr)->sin6_addr);
    uint32_t address = ntohl(((const struct sockaddr_in *)entry->ifa_addr)->sin_addr.s_addr);
    return address >> 16 == 0xa9fe ? 0 : 2; // 169.254.0.0/16
}

static int l_default_address(lua_State *L) {
    struct ifaddrs *list = NULL;
    const struct ifaddrs *best = NULL;
    char text[PE_ADDRESS_TEXT] = "127.0.0.1";
    if (getifaddrs(&list)) return pe_vm_fail(L, -errno, "cannot list the network interfaces");
    for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next)
        if (rate(entry) > (best ? rate(best) : 0)) best = entry;
    if (best) pe_address_print(best->ifa_addr, text);
    freeifaddrs(list);
    lua_pushstring(L, text);
    return 1;
}

static const luaL_Reg functions[] = {
    {"interfaces", l_interfaces}, {"default_address", l_default_address}, {NULL, NULL}};

int luaopen_engine_net(lua_State *L) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
