// SPDX-License-Identifier: MIT
// Reading by recvmmsg: one system call and no copy but the Lua string for up to 64 datagrams.
#include "inbox.h"
#include "vm.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64 };

static const char sender_name[] = "udp sender";

// An index is advanced before what can raise, so that a datagram that finds no memory is not met again.
static struct {
    const struct pe_inbox *owner; // NULL: used up
    int next, count;
    char data[BATCH * PE_INBOX_SIZE];
    struct mmsghdr messages[BATCH];
    struct iovec slices[BATCH];
    struct sockaddr_in6 from[BATCH];
    struct {
        _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control[BATCH];
    struct pe_inbox_origin origin; // of the one at `next`
} batch;

void pe_inbox_open(lua_State *L, struct pe_inbox *inbox, int size) {
    inbox->size = size;
    lua_newuserdata(L, sizeof(struct pe_inbox_origin));
    memset(lua_touserdata(L, -1), 0, sizeof(struct pe_inbox_origin));
    luaL_getmetatable(L, sender_name);
    lua_setmetatable(L, -2);
    lua_createtable(L, PE_INBOX_RING, 0);
    lua_setfenv(L, -2);
    inbox->store = luaL_ref(L, LUA_REGISTRYINDEX);
}

int pe_inbox_listen(struct pe_inbox *inbox, int fd, int family) {
    int on = 1, is_v6 = family == AF_INET6;
    inbox->fd = fd;
    return setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof on)
               ? -errno
               : 0;
}

bool pe_inbox_read(struct pe_inbox *inbox) {
    int slots = (int)sizeof batch.data / inbox->size;
    if (slots > BATCH) slots = BATCH;
    for (int i = 0; i < slots; i++) {
        batch.slices[i] = (struct iovec){batch.data + i * inbox->size, (size_t)inbox->size};
        batch.messages[i].msg_hdr = (struct msghdr){.msg_name = &batch.from[i],
                                                    .msg_namelen = sizeof batch.from[i],
                                                    .msg_iov = &batch.slices[i],
                                                    .msg_iovlen = 1,
                                                    .msg_control = &batch.control[i],
                                                    .msg_controllen = sizeof batch.control[i]};
    }
    int count = recvmmsg(inbox->fd, batch.messages, (unsigned)slots, MSG_DONTWAIT, NULL);
    batch.owner = inbox;
    batch.next = 0;
    batch.count = count > 0 ? count : 0; // an error is an ICMP answer to what was sent: it ends no receiver
    return count == slots;
}

static void read_destination(struct msghdr *message, struct pe_inbox_origin *origin) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)&origin->destination;
    struct in_pktinfo info;
    struct in6_pktinfo info6;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
            memcpy(&info, CMSG_DATA(header), sizeof info);
            *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = info.ipi_addr};
            origin->interface = (unsigned)info.ipi_ifindex;
        } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
            memcpy(&info6, CMSG_DATA(header), sizeof info6);
            origin->destination = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = info6.ipi6_addr};
            origin->interface = info6.ipi6_ifindex;
        }
    }
}

bool pe_inbox_has_batch(struct pe_inbox *inbox) {
    if (batch.owner != inbox) return false;
    for (; batch.next < batch.count; batch.next++) {
        struct msghdr *message = &batch.messages[batch.next].msg_hdr;
        read_destination(message, &batch.origin);
        if (inbox->only && !pe_address_is_same_host((struct sockaddr *)&batch.origin.destination, inbox->only)) {
            inbox->stray++;
        } else if (message->msg_flags & MSG_TRUNC) {
            inbox->lost++;
        } else {
            return true;
        }
    }
    return false;
}

// Takes the next of the batch: its origin goes to `origin`, its bytes onto the stack.
static void take(lua_State *L, struct pe_inbox_origin *origin) {
    int i = batch.next++;
    *origin = batch.origin;
    origin->from = batch.from[i];
    lua_pushlstring(L, batch.slices[i].iov_base, batch.messages[i].msg_len);
}

static void shift(struct pe_inbox *inbox) {
    inbox->first = (inbox->first + 1) % PE_INBOX_RING;
    inbox->count--;
}

// The sender is on top of the stack.
static void push_stored(lua_State *L, struct pe_inbox *inbox, struct pe_inbox_origin *origin) {
    int slot = inbox->first;
    *origin = inbox->origins[slot];
    lua_getfenv(L, -1);
    lua_rawgeti(L, -1, slot + 1);
    lua_pushboolean(L, 0);
    lua_rawseti(L, -3, slot + 1);
    lua_remove(L, -2);
    shift(inbox);
}

int pe_inbox_push(lua_State *L, struct pe_inbox *inbox) {
    bool is_stored = inbox->count > 0;
    if (!is_stored && !pe_inbox_has_batch(inbox)) return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, inbox->store);
    struct pe_inbox_origin *origin = lua_touserdata(L, -1);
    if (is_stored) {
        push_stored(L, inbox, origin);
    } else {
        take(L, origin);
    }
    lua_insert(L, -2);
    return 2;
}

void pe_inbox_store(lua_State *L, struct pe_inbox *inbox) {
    if (inbox->count == PE_INBOX_RING) {
        shift(inbox);
        inbox->lost++;
    }
    int slot = (inbox->first + inbox->count) % PE_INBOX_RING;
    lua_rawgeti(L, LUA_REGISTRYINDEX, inbox->store);
    lua_getfenv(L, -1);
    take(L, &inbox->origins[slot]);
    lua_rawseti(L, -2, slot + 1);
    lua_pop(L, 2);
    inbox->count++;
}

void pe_inbox_close(struct pe_inbox *inbox) {
    pe_vm_unref(inbox->store);
    inbox->count = 0;
    if (batch.owner == inbox) batch.owner = NULL;
}

static const struct pe_inbox_origin *check(lua_State *L) {
    return luaL_checkudata(L, 1, sender_name);
}

static int l_address(lua_State *L) {
    return pe_address_push(L, (const struct sockaddr *)&check(L)->from);
}

static int l_destination(lua_State *L) {
    pe_address_push(L, (const struct sockaddr *)&check(L)->destination);
    lua_pop(L, 1); // the port is the socket's own
    return 1;
}

static int l_interface(lua_State *L) {
    lua_pushinteger(L, check(L)->interface);
    return 1;
}

static const luaL_Reg methods[] = {
    {"address", l_address}, {"destination", l_destination}, {"interface", l_interface}, {NULL, NULL}};

void pe_inbox_register(lua_State *L) {
    luaL_newmetatable(L, sender_name);
    lua_pushstring(L, sender_name);
    lua_setfield(L, -2, "__metatable");
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
