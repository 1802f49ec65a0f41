// SPDX-License-Identifier: MIT
// The C half of engine.udp: sockets of our own, polled by libuv, which costs less per datagram than uv_udp and tells
// more of each. Options and groups are in udp.lua.
// Invariant: a datagram goes straight to the task that waits, without a copy but its string.
#include "address.h"
#include "handle.h"
#include "inbox.h"
#include "modules.h"
#include "task.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 8 }; // batches per wake-up, so that others get their turn

// What the two families call the same options.
static const struct family {
    int level, all, info, ttl, loop;
} v4 = {IPPROTO_IP, IP_MULTICAST_ALL, IP_PKTINFO, IP_MULTICAST_TTL, IP_MULTICAST_LOOP},
  v6 = {IPPROTO_IPV6, IPV6_MULTICAST_ALL, IPV6_RECVPKTINFO, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP};

struct udp {
    struct pe_handle handle;
    uv_poll_t poll; // active from the first receive on
    int fd;
    const struct family *ip;
    struct pe_inbox inbox;
};

static void on_close(struct pe_handle *handle) {
    struct udp *udp = (struct udp *)handle;
    close(udp->fd);
}

static void on_free(struct pe_handle *handle) {
    pe_inbox_free(&((struct udp *)handle)->inbox);
}

static const struct pe_handle_class udp_class = {.name = "udp socket", .on_close = on_close, .on_free = on_free};

// Returns 0, or how many values of a failure it pushed.
static int read_literal(lua_State *L, int index, int port, struct sockaddr_storage *address) {
    size_t size;
    const char *text = luaL_checklstring(L, index, &size);
    int status = pe_address_parse(text, port, address);
    if (strlen(text) != size) status = UV_EINVAL;
    if (!status) return 0;
    if (status == UV_ENODEV) return pe_vm_fail(L, status, "cannot use %s", text);
    lua_pushfstring(L, "expected an address, found \"%s\": engine.dns turns names into addresses", text);
    return pe_vm_refuse(L, lua_tostring(L, -1), "EINVAL");
}

// canonical(literal): the one spelling of an address.
static int l_canonical(lua_State *L) {
    struct sockaddr_storage address;
    int failure = read_literal(L, 1, 0, &address);
    if (failure) return failure;
    pe_address_push(L, (struct sockaddr *)&address);
    lua_pop(L, 1);
    return 1;
}

static int set(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) ? -errno : 0;
}

// A number or boolean of l_open's table, which is at index 1; 0 without it.
static int setting(lua_State *L, const char *name) {
    lua_getfield(L, 1, name);
    int value = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return value;
}

static int configure(lua_State *L, const struct udp *udp) {
    const struct family *ip = udp->ip;
    int fd = udp->fd, buffer = setting(L, "receive_buffer"), status;
    set(fd, ip->level, ip->all, 0); // groups that others joined are not heard
    if ((status = set(fd, ip->level, ip->info, 1))) return status;
    if (ip == &v6 && (status = set(fd, ip->level, IPV6_V6ONLY, 1))) return status;
    if ((status = set(fd, ip->level, ip->ttl, setting(L, "ttl")))) return status;
    if ((status = set(fd, ip->level, ip->loop, setting(L, "loop")))) return status;
    if ((status = set(fd, SOL_SOCKET, SO_REUSEADDR, setting(L, "reuse")))) return status;
    if ((status = set(fd, SOL_SOCKET, SO_BROADCAST, setting(L, "broadcast")))) return status;
    return buffer ? set(fd, SOL_SOCKET, SO_RCVBUF, buffer) : 0;
}

// Returns 0 with the socket made and owned by the scope, or how many values of a failure it pushed.
static int make(lua_State *L, struct udp *udp, int family) {
    udp->fd = udp->inbox.fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->fd < 0) return pe_vm_fail(L, -errno, "cannot make a socket");
    int status = uv_poll_init(pe_vm_loop(), &udp->poll, udp->fd);
    if (status) {
        close(udp->fd);
        return pe_vm_fail(L, status, "cannot poll a socket");
    }
    return pe_handle_open(&udp->handle, (uv_handle_t *)&udp->poll) ? 0 : pe_vm_refuse(L, "closed", "ECANCELED");
}

// open{ host, port, max_size, reuse, broadcast, receive_buffer, ttl, loop, only }, all checked by udp.lua.
static int l_open(lua_State *L) {
    struct sockaddr_storage address;
    const struct sockaddr *any = (const struct sockaddr *)&address;
    int port = setting(L, "port"), failure;
    lua_settop(L, 1);
    lua_getfield(L, 1, "host");
    if ((failure = read_literal(L, 2, port, &address))) return failure;
    struct udp *udp = pe_handle_new(L, &udp_class, sizeof *udp);
    pe_inbox_open(L, &udp->inbox);
    udp->inbox.size = setting(L, "max_size");
    udp->inbox.is_group_only = setting(L, "only");
    udp->ip = any->sa_family == AF_INET6 ? &v6 : &v4;
    if ((failure = make(L, udp, any->sa_family))) return failure;
    int status = configure(L, udp);
    if (!status && bind(udp->fd, any, pe_address_size(any))) status = -errno;
    if (!status) return 1;
    pe_handle_close(&udp->handle);
    return pe_vm_fail(L, status, "cannot bind %s:%d", lua_tostring(L, 2), port);
}

// Self of a method; NULL if it is closed, with 3 values pushed.
static struct udp *check_open(lua_State *L) {
    struct udp *udp = pe_handle_self(L);
    if (!udp->handle.closed) return udp;
    pe_vm_refuse(L, "closed", "ECANCELED");
    return NULL;
}

// socket:member(group, index, is_in): joins the group on an interface, or leaves it; true, or the reason alone.
// MCAST_JOIN_GROUP serves both families.
static int l_member(lua_State *L) {
    struct udp *udp = check_open(L);
    struct group_req request = {.gr_interface = (uint32_t)luaL_checkint(L, 3)};
    int operation = lua_toboolean(L, 4) ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, failure;
    if (!udp) return 3;
    if ((failure = read_literal(L, 2, 0, &request.gr_group))) return failure;
    if (setsockopt(udp->fd, udp->ip->level, operation, &request, sizeof request))
        return pe_vm_refuse(L, uv_strerror(-errno), uv_err_name(-errno));
    lua_pushboolean(L, 1);
    return 1;
}

// Which interface sends to groups, and for IPv4 from which address; with 0 and "" it is up to the routes.
static int route(const struct udp *udp, int index, const char *source) {
    struct ip_mreqn way = {.imr_ifindex = index};
    if (udp->ip == &v6) return set(udp->fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
    inet_pton(AF_INET, source, &way.imr_address);
    return setsockopt(udp->fd, IPPROTO_IP, IP_MULTICAST_IF, &way, sizeof way) ? -errno : 0;
}

// socket:send(data, host, port, index, source): the last two for groups. Never waits: a full send buffer loses the
// datagram as the network would, and says so.
static int l_send(lua_State *L) {
    struct udp *udp = check_open(L);
    struct sockaddr_storage to;
    const struct sockaddr *any = (const struct sockaddr *)&to;
    size_t size;
    if (!udp) return 3;
    const char *data = luaL_checklstring(L, 2, &size);
    int port = luaL_checkint(L, 4), index = luaL_optint(L, 5, 0);
    luaL_argcheck(L, port >= 1 && port <= 65535, 4, "expected a port from 1 to 65535");
    int status = read_literal(L, 3, port, &to);
    if (status) return status;
    if (index) status = route(udp, index, luaL_checkstring(L, 6));
    if (!status && sendto(udp->fd, data, size, 0, any, pe_address_size(any)) < 0) status = -errno;
    if (index) route(udp, 0, "");
    if (status) return pe_vm_fail(L, status, "cannot send %d bytes to %s:%d", (int)size, lua_tostring(L, 3), port);
    lua_pushboolean(L, 1);
    return 1;
}

static void deliver(lua_State *L, void *argument) {
    struct udp *udp = argument;
    while (!udp->handle.closed && pe_inbox_has_batch(&udp->inbox)) {
        if (udp->handle.waiter.task) {
            pe_task_deliver(L, &udp->handle.waiter, pe_inbox_push, &udp->inbox);
            pe_turn_run(L);
        } else {
            pe_inbox_store(L, &udp->inbox);
        }
    }
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    struct udp *udp = poll->data;
    bool is_more = true;
    (void)events;
    if (status) uv_poll_start(poll, UV_READABLE, on_readable); // libuv stops at an error, which reading clears
    for (int round = 0; round < ROUNDS && is_more && !udp->handle.closed; round++) {
        is_more = pe_inbox_read(&udp->inbox);
        while (!udp->handle.closed && pe_inbox_has_batch(&udp->inbox)) pe_vm_enter(deliver, udp);
    }
}

// What socket:messages() returns has the socket as its upvalue, so that it need not be looked at for each datagram.
static int l_next(lua_State *L) {
    struct udp *udp = *(struct udp **)lua_touserdata(L, lua_upvalueindex(1));
    if (udp->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    int count = pe_inbox_push(L, &udp->inbox);
    if (count) return count;
    int status = uv_is_active((uv_handle_t *)&udp->poll) ? 0 : uv_poll_start(&udp->poll, UV_READABLE, on_readable);
    if (status) return pe_vm_fail(L, status, "cannot poll a socket");
    return pe_handle_wait(L, &udp->handle);
}

static int l_messages(lua_State *L) {
    pe_handle_self(L);
    lua_settop(L, 1);
    lua_pushcclosure(L, l_next, 1);
    return 1;
}

static int l_address(lua_State *L) {
    struct udp *udp = check_open(L);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (!udp) return 3;
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

static const luaL_Reg methods[] = {{"member", l_member},
                                   {"send", l_send},
                                   {"messages", l_messages},
                                   {"address", l_address},
                                   {"drops", l_drops},
                                   {"close", pe_handle_l_close},
                                   {NULL, NULL}};
static const luaL_Reg functions[] = {{"open", l_open}, {"canonical", l_canonical}, {NULL, NULL}};

int luaopen_engine_udp(lua_State *L) {
    pe_inbox_register(L);
    pe_handle_register(L, &udp_class, methods);
    return pe_vm_module(L, functions, udp_class.name);
}
