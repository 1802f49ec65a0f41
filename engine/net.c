// SPDX-License-Identifier: MIT
// The C half of engine.net: the addresses of this host's interfaces.
#include "address.h"
#include "modules.h"
#include "vm.h"
#include <errno.h>
#include <ifaddrs.h>

static void set_flag(lua_State *L, const char *name, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void push_entry(lua_State *L, const struct ifaddrs *entry) {
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
    set_flag(L, "up", entry->ifa_flags & IFF_UP);
    set_flag(L, "multicast", entry->ifa_flags & IFF_MULTICAST);
    set_flag(L, "loopback", entry->ifa_flags & IFF_LOOPBACK);
}

static int l_interfaces(lua_State *L) {
    static struct ifaddrs *list; // if this raises, the next call frees it
    int count = 0;
    freeifaddrs(list);
    list = NULL;
    if (getifaddrs(&list)) return pe_vm_fail(L, -errno, "cannot list the network interfaces");
    lua_newtable(L);
    for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next) {
        int family = entry->ifa_addr ? entry->ifa_addr->sa_family : AF_UNSPEC;
        if (family != AF_INET && family != AF_INET6) continue;
        push_entry(L, entry);
        lua_rawseti(L, -2, ++count);
    }
    freeifaddrs(list);
    list = NULL;
    return 1;
}

static const luaL_Reg functions[] = {{"interfaces", l_interfaces}, {NULL, NULL}};

int luaopen_engine_net(lua_State *L) {
    return pe_vm_module(L, functions, NULL);
}
