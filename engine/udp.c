// SPDX-License-Identifier: MIT
// Sockets of our own, polled by libuv, which costs less per datagram than uv_udp and tells more of each.
// Invariant: a datagram goes straight to the task that waits, without a copy but its string.
#include "handle.h"
#include "inbox.h"
#include "multicast.h"
#include "task.h"
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 8 }; // batches per wake-up, so that others get their turn

struct udp {
    struct pe_handle handle;
    uv_poll_t poll; // active from the first receive on
    int fd;
    struct pe_wait receiver;
    struct pe_multicast multicast;
    struct pe_inbox inbox;
};

struct settings {
    const char *host, *group;
    struct sockaddr_storage address, group_address;
    int port, ttl, receive_buffer, max_size;
    bool reuse, broadcast, loop, only;
    const char *interfaces[PE_MULTICAST_INTERFACES + 1];
};

static void on_close(struct pe_handle *handle) {
    struct udp *udp = (struct udp *)handle;
    close(udp->fd);
    pe_inbox_close(&udp->inbox);
    pe_task_wake_closed(&udp->receiver);
}

static const struct pe_handle_class udp_class = {.name = "udp socket", .on_close = on_close};

static int read_integer(lua_State *L, int index, const char *name, int fallback, int least, int most) {
    double value = pe_vm_option_number(L, index, name, fallback);
    if (!(value >= least && value <= most) || value != (int)value)
        luaL_error(L, "option \"%s\": expected an integer from %d to %d, found %f", name, least, most, value);
    return (int)value;
}

// The strings stay on the stack, and so alive.
static void read_interfaces(lua_State *L, int index, const char *names[]) {
    int count = 0;
    if (lua_isnoneornil(L, index)) return;
    luaL_checktype(L, index, LUA_TTABLE);
    luaL_checkstack(L, PE_MULTICAST_INTERFACES + 4, "too many interfaces");
    for (lua_rawgeti(L, index, 1); !lua_isnil(L, -1); lua_rawgeti(L, index, ++count + 1)) {
        if (count == PE_MULTICAST_INTERFACES) luaL_error(L, "expected at most %d interfaces", count);
        if (!(names[count] = lua_tostring(L, -1)))
            luaL_error(L, "interfaces: expected names, indexes or addresses, found a %s", luaL_typename(L, -1));
    }
    lua_pop(L, 1);
}

static void read_multicast(lua_State *L, int index, struct settings *settings) {
    static const char *const names[] = {"group", "interfaces", "ttl", "loop", "only", NULL};
    if (lua_isnil(L, index)) return;
    pe_vm_option_names(L, index, names);
    settings->group = pe_vm_option_string(L, index, "group", NULL);
    if (!settings->group) luaL_error(L, "option \"multicast\": expected a group in it");
    settings->ttl = read_integer(L, index, "ttl", 1, 0, 255);
    settings->loop = pe_vm_option_boolean(L, index, "loop", true);
    settings->only = pe_vm_option_boolean(L, index, "only", false);
    pe_vm_option(L, index, "interfaces");
    read_interfaces(L, lua_gettop(L), settings->interfaces);
}

static void read_settings(lua_State *L, struct settings *settings) {
    static const char *const names[] = {"host",      "port",           "reuse",    "broadcast",
                                        "multicast", "receive_buffer", "max_size", NULL};
    pe_vm_option_names(L, 1, names);
    settings->host = pe_vm_option_string(L, 1, "host", NULL);
    settings->port = read_integer(L, 1, "port", 0, 0, 65535);
    settings->reuse = pe_vm_option_boolean(L, 1, "reuse", false);
    settings->broadcast = pe_vm_option_boolean(L, 1, "broadcast", false);
    settings->receive_buffer = read_integer(L, 1, "receive_buffer", 0, 0, 1 << 30);
    settings->max_size = read_integer(L, 1, "max_size", PE_INBOX_SIZE, 1, PE_INBOX_SIZE_MAX);
    pe_vm_option(L, 1, "multicast");
    read_multicast(L, lua_gettop(L), settings);
}

static int refuse_literal(lua_State *L, const char *text, int status) {
    if (status == UV_ENODEV) return pe_vm_fail(L, status, "cannot use %s", text);
    lua_pushfstring(L, "expected an address, found \"%s\": engine.dns turns names into addresses", text);
    return pe_vm_refuse(L, lua_tostring(L, -1), "EINVAL");
}

// Returns 0, or how many values of a failure it pushed.
static int read_addresses(lua_State *L, struct settings *settings) {
    struct sockaddr_storage *group = &settings->group_address;
    int status = settings->group ? pe_address_parse(settings->group, 0, group) : 0;
    if (status) return refuse_literal(L, settings->group, status);
    if (!settings->host) settings->host = group->ss_family == AF_INET6 ? "::" : "0.0.0.0";
    status = pe_address_parse(settings->host, settings->port, &settings->address);
    if (status) return refuse_literal(L, settings->host, status);
    if (!settings->group) return 0;
    if (!pe_multicast_is_group(group)) {
        lua_pushfstring(L, "expected a group, 224.0.0.0 to 239.255.255.255 or in ff00::/8, found %s", settings->group);
        return pe_vm_refuse(L, lua_tostring(L, -1), "EINVAL");
    }
    if (group->ss_family == settings->address.ss_family) return 0;
    lua_pushfstring(L, "group %s and host %s are of different families", settings->group, settings->host);
    return pe_vm_refuse(L, lua_tostring(L, -1), "EINVAL");
}

static int set(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) ? -errno : 0;
}

static int configure(struct udp *udp, const struct settings *settings) {
    int fd = udp->fd, status, family = settings->address.ss_family;
    if ((status = pe_inbox_listen(&udp->inbox, fd, family))) return status;
    if (family == AF_INET6 && (status = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))) return status;
    if (settings->reuse && (status = set(fd, SOL_SOCKET, SO_REUSEADDR, 1))) return status;
    if (settings->broadcast && (status = set(fd, SOL_SOCKET, SO_BROADCAST, 1))) return status;
    if (settings->receive_buffer && (status = set(fd, SOL_SOCKET, SO_RCVBUF, settings->receive_buffer))) return status;
    if (settings->group) {
        status = pe_multicast_open(&udp->multicast, fd, &settings->group_address, settings->ttl, settings->loop);
        if (settings->only) udp->inbox.only = (struct sockaddr *)&udp->multicast.group;
    }
    const struct sockaddr *address = (const struct sockaddr *)&settings->address;
    return status ? status : bind(fd, address, pe_address_size(address)) ? -errno : 0;
}

// Pushes the names of the joined interfaces and, when one could not be joined, a message; or a failure.
static int join(lua_State *L, struct udp *udp, const char *const *interfaces) {
    struct pe_multicast *multicast = &udp->multicast;
    int status = pe_multicast_join(multicast, interfaces);
    char group[PE_ADDRESS_TEXT];
    pe_address_print((struct sockaddr *)&multicast->group, group);
    if (!multicast->count && !status) status = UV_ENODEV;
    if (!multicast->count) {
        const char *which = multicast->failed[0] ? multicast->failed : *interfaces ? *interfaces : "any interface";
        return pe_vm_fail(L, status, "cannot join %s on %s", group, which);
    }
    lua_createtable(L, multicast->count, 0);
    for (int i = 0; i < multicast->count; i++) {
        lua_pushstring(L, multicast->joined[i].name);
        lua_rawseti(L, -2, i + 1);
    }
    if (!status) return 1;
    lua_pushfstring(L, "cannot join %s on %s: %s", group, multicast->failed, uv_strerror(status));
    return 2;
}

// Returns 0 with the socket made, or how many values of a failure it pushed.
static int start(lua_State *L, struct udp *udp, const struct settings *settings) {
    udp->fd = socket(settings->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->fd < 0) return pe_vm_fail(L, -errno, "cannot make a socket");
    int status = uv_poll_init(pe_vm_loop(), &udp->poll, udp->fd);
    if (status) {
        close(udp->fd);
        return pe_vm_fail(L, status, "cannot poll a socket");
    }
    if (!pe_handle_open(&udp->handle, (uv_handle_t *)&udp->poll)) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (!(status = configure(udp, settings))) return 0;
    pe_handle_close(&udp->handle);
    return pe_vm_fail(L, status, "cannot bind %s:%d", settings->host, settings->port);
}

static int l_open(lua_State *L) {
    struct settings settings = {0};
    int failure;
    lua_settop(L, 1);
    read_settings(L, &settings);
    if ((failure = read_addresses(L, &settings))) return failure;
    struct udp *udp = pe_handle_new(L, &udp_class, sizeof *udp);
    int self = lua_gettop(L);
    pe_inbox_open(L, &udp->inbox, settings.max_size);
    failure = start(L, udp, &settings);
    if (!udp->handle.uv) pe_inbox_close(&udp->inbox); // which on_close does from there on
    if (failure) return failure;
    int joined = settings.group ? join(L, udp, settings.interfaces) : 0;
    if (joined && lua_isnil(L, -joined)) {
        pe_handle_close(&udp->handle);
        return joined;
    }
    lua_pushvalue(L, self);
    return 1;
}

static int refuse_closed(lua_State *L) {
    return pe_vm_refuse(L, "closed", "ECANCELED");
}

static struct pe_multicast *check_group(lua_State *L, struct udp *udp) {
    if (!udp->multicast.group.ss_family)
        luaL_error(L, "this socket has no group: open it with the option \"multicast\"");
    return &udp->multicast;
}

static int l_join(lua_State *L) {
    struct udp *udp = pe_handle_self(L);
    const char *interfaces[PE_MULTICAST_INTERFACES + 1] = {0};
    lua_settop(L, 2);
    read_interfaces(L, 2, interfaces);
    if (udp->handle.closed) return refuse_closed(L);
    check_group(L, udp);
    return join(L, udp, interfaces);
}

static int l_group(lua_State *L) {
    pe_address_push(L, (struct sockaddr *)&check_group(L, pe_handle_self(L))->group);
    lua_pop(L, 1);
    return 1;
}

static bool is_to_group(const struct udp *udp, const struct sockaddr_storage *to) {
    return udp->multicast.group.ss_family &&
           pe_address_is_same_host((const struct sockaddr *)to, (const struct sockaddr *)&udp->multicast.group);
}

// Never waits: a full send buffer loses the datagram as the network would, and says so.
static int l_send(lua_State *L) {
    struct udp *udp = pe_handle_self(L);
    size_t size;
    const char *data = luaL_checklstring(L, 2, &size), *host = luaL_checkstring(L, 3);
    int port = luaL_checkint(L, 4), status;
    struct sockaddr_storage to;
    luaL_argcheck(L, port >= 1 && port <= 65535, 4, "expected a port from 1 to 65535");
    if (udp->handle.closed) return refuse_closed(L);
    if ((status = pe_address_parse(host, port, &to))) return refuse_literal(L, host, status);
    const struct sockaddr *address = (const struct sockaddr *)&to;
    if (is_to_group(udp, &to)) {
        status = pe_multicast_send(&udp->multicast, data, size, port);
    } else {
        status = sendto(udp->fd, data, size, 0, address, pe_address_size(address)) < 0 ? -errno : 0;
    }
    if (status) return pe_vm_fail(L, status, "cannot send %d bytes to %s:%d", (int)size, host, port);
    lua_pushboolean(L, 1);
    return 1;
}

static void deliver(lua_State *L, void *argument) {
    struct udp *udp = argument;
    while (!udp->handle.closed && pe_inbox_has_batch(&udp->inbox)) {
        if (udp->receiver.task) {
            pe_task_wake(L, &udp->receiver, pe_inbox_push(L, &udp->inbox));
            pe_task_run_ready(L);
        } else {
            pe_inbox_store(L, &udp->inbox);
        }
    }
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    struct udp *udp = poll->data;
    bool is_more = true;
    (void)status, (void)events; // an error of the socket is read, and so cleared, like a datagram
    for (int round = 0; round < ROUNDS && is_more && !udp->handle.closed; round++) {
        is_more = pe_inbox_read(&udp->inbox);
        while (!udp->handle.closed && pe_inbox_has_batch(&udp->inbox)) pe_vm_enter(deliver, udp);
    }
}

static int l_receive(lua_State *L) {
    struct udp *udp = pe_handle_self(L);
    if (udp->handle.closed) return refuse_closed(L);
    if (udp->receiver.task) luaL_error(L, "another task waits for this socket's datagrams");
    int count = pe_inbox_push(L, &udp->inbox);
    if (count) return count;
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    int status = uv_is_active((uv_handle_t *)&udp->poll) ? 0 : uv_poll_start(&udp->poll, UV_READABLE, on_readable);
    if (status) return pe_vm_fail(L, status, "cannot poll a socket");
    return pe_task_suspend(L, &udp->receiver, NULL);
}

// The iterator is `receive` itself, so that it does not yield while datagrams are there.
static int l_messages(lua_State *L) {
    pe_handle_self(L);
    lua_settop(L, 1);
    lua_getfield(L, 1, "receive");
    lua_insert(L, 1);
    return 2;
}

static int l_address(lua_State *L) {
    struct udp *udp = pe_handle_self(L);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (udp->handle.closed) return refuse_closed(L);
    if (getsockname(udp->fd, (struct sockaddr *)&address, &size)) return pe_vm_fail(L, -errno, "cannot name a socket");
    return pe_address_push(L, (struct sockaddr *)&address);
}

static int l_drops(lua_State *L) {
    struct udp *udp = pe_handle_self(L);
    uint32_t kernel[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof kernel;
    if (!udp->handle.closed) getsockopt(udp->fd, SOL_SOCKET, SO_MEMINFO, kernel, &size);
    lua_pushnumber(L, (double)udp->inbox.lost + kernel[SK_MEMINFO_DROPS]);
    lua_pushnumber(L, (double)udp->inbox.stray);
    return 2;
}

static const luaL_Reg methods[] = {{"send", l_send},   {"receive", l_receive},       {"messages", l_messages},
                                   {"join", l_join},   {"group", l_group},           {"address", l_address},
                                   {"drops", l_drops}, {"close", pe_handle_l_close}, {NULL, NULL}};

int luaopen_engine_udp(lua_State *L) {
    pe_handle_register(L, &udp_class, methods);
    pe_inbox_register(L);
    lua_newtable(L);
    lua_pushcfunction(L, l_open);
    lua_setfield(L, -2, "open");
    return 1;
}
