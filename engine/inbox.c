// SPDX-License-Identifier: MIT
// Reading by recvmmsg: one system call and no copy but the Lua string for up to 64 datagrams.
#include "inbox.h"
#include "address.h"
#include "vm.h"
#include <arpa/inet.h>
#include <stddef.h>
#include <uv.h>

enum { BATCH = 64, BYTES = BATCH * 2048 };

static const char sender_name[] = "udp sender";

// `next` is advanced before what can raise, so that a datagram that finds no memory is not met again.
static struct {
    const struct pe_inbox *owner;
    int next, count;
    double read_at;
    char data[BYTES];
    struct mmsghdr messages[BATCH];
    struct iovec slices[BATCH];
    struct pe_inbox_origin origins[BATCH];
} batch;

void pe_inbox_open(lua_State *L, struct pe_inbox *inbox) {
    inbox->store = LUA_NOREF; // should what follows raise
    inbox->shown = pe_vm_object(L, sender_name, sizeof *inbox->shown);
    lua_createtable(L, PE_INBOX_RING, 0);
    lua_setfenv(L, -2);
    inbox->store = luaL_ref(L, LUA_REGISTRYINDEX);
}

void pe_inbox_free(struct pe_inbox *inbox) {
    pe_vm_unref(inbox->store);
    if (batch.owner == inbox) batch.owner = NULL;
}

bool pe_inbox_read(struct pe_inbox *inbox) {
    int slots = BYTES / inbox->size < BATCH ? BYTES / inbox->size : BATCH;
    for (int i = 0; i < slots; i++) {
        struct pe_inbox_origin *origin = &batch.origins[i];
        batch.slices[i] = (struct iovec){batch.data + i * inbox->size, (size_t)inbox->size};
        batch.messages[i].msg_hdr =
            (struct msghdr){.msg_name = &origin->from,
                            .msg_namelen = sizeof origin->from,
                            .msg_iov = &batch.slices[i],
                            .msg_iovlen = 1,
                            .msg_control = &origin->header,
                            .msg_controllen = sizeof *origin - offsetof(struct pe_inbox_origin, header)};
    }
    int count = recvmmsg(inbox->fd, batch.messages, (unsigned)slots, MSG_DONTWAIT, NULL);
    batch.owner = inbox;
    batch.read_at = (double)uv_hrtime() / 1e9;
    batch.next = 0;
    batch.count = count > 0 ? count : 0; // an error is an ICMP answer to what was sent: it ends no receiver
    return count == slots;
}

static bool is_v6(const struct pe_inbox_origin *origin) {
    return origin->from.sin6_family == AF_INET6;
}

static bool is_to_group(const struct pe_inbox_origin *origin) {
    return is_v6(origin) ? IN6_IS_ADDR_MULTICAST(&origin->to.v6.ipi6_addr)
                         : IN_MULTICAST(ntohl(origin->to.v4.ipi_addr.s_addr));
}

bool pe_inbox_has_batch(struct pe_inbox *inbox) {
    if (batch.owner != inbox) return false;
    for (; batch.next < batch.count; batch.next++) {
        if (inbox->is_group_only && !is_to_group(&batch.origins[batch.next])) {
            inbox->stray++;
        } else if (batch.messages[batch.next].msg_hdr.msg_flags & MSG_TRUNC) {
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
    *origin = batch.origins[i];
    origin->read_at = batch.read_at;
    lua_pushlstring(L, batch.slices[i].iov_base, batch.messages[i].msg_len);
}

static int shift(struct pe_inbox *inbox) {
    int slot = inbox->first;
    inbox->first = (slot + 1) % PE_INBOX_RING;
    inbox->count--;
    return slot;
}

// Pushes the oldest of the ring, which keeps the string no longer.
static void unstore(lua_State *L, struct pe_inbox *inbox) {
    int slot = shift(inbox);
    *inbox->shown = inbox->origins[slot];
    lua_rawgeti(L, LUA_REGISTRYINDEX, inbox->store);
    lua_getfenv(L, -1);
    lua_rawgeti(L, -1, slot);
    lua_pushboolean(L, 0);
    lua_rawseti(L, -3, slot);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

int pe_inbox_push(lua_State *L, void *argument) {
    struct pe_inbox *inbox = argument;
    bool is_stored = inbox->count > 0;
    if (!is_stored && !pe_inbox_has_batch(inbox)) return 0;
    if (is_stored)
        unstore(L, inbox);
    else
        take(L, inbox->shown);
    lua_rawgeti(L, LUA_REGISTRYINDEX, inbox->store);
    lua_pushnumber(L, inbox->shown->read_at);
    return 3;
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
    lua_rawseti(L, -2, slot);
    lua_pop(L, 2);
    inbox->count++;
}

static const struct pe_inbox_origin *check(lua_State *L) {
    return luaL_checkudata(L, 1, sender_name);
}

static int l_address(lua_State *L) {
    return pe_address_push(L, (const struct sockaddr *)&check(L)->from);
}

static int l_destination(lua_State *L) {
    const struct pe_inbox_origin *origin = check(L);
    char text[INET6_ADDRSTRLEN];
    const void *bytes = is_v6(origin) ? (const void *)&origin->to.v6.ipi6_addr : &origin->to.v4.ipi_addr;
    lua_pushstring(L, inet_ntop(origin->from.sin6_family, bytes, text, sizeof text));
    return 1;
}

static int l_interface(lua_State *L) {
    const struct pe_inbox_origin *origin = check(L);
    lua_pushinteger(L, is_v6(origin) ? (int)origin->to.v6.ipi6_ifindex : origin->to.v4.ipi_ifindex);
    return 1;
}

static const luaL_Reg methods[] = {
    {"address", l_address}, {"destination", l_destination}, {"interface", l_interface}, {NULL, NULL}};

void pe_inbox_register(lua_State *L) {
    pe_vm_class(L, sender_name, NULL, methods);
}
