// SPDX-License-Identifier: MIT
/// Inboxes: datagrams read in batches, and the ring of those that came while the receiver was busy.
///   batch    what one recvmmsg has read: shared by all sockets, so it is used up before the callback returns
///   ring     strings that wait in order, the oldest dropped when it is full
///   origin   where a datagram came from and went to, as the kernel writes it
///   sender   the one Lua object of an inbox that shows the origin of the datagram taken last
/// Invariant: what is in the ring came before what is in the batch.
#pragma once

#include <lua.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { PE_INBOX_RING = 1024 };

struct pe_inbox_origin {
    double read_at;           // seconds, by the clock of engine.timer
    struct sockaddr_in6 from; // of either family: a sockaddr_in fits
    struct cmsghdr header;    // of the one control message that is asked for
    union {
        struct in_pktinfo v4;
        struct in6_pktinfo v6;
    } to;
};

struct pe_inbox {
    int fd;             // borrowed
    int size;           // the largest datagram that is taken
    bool is_group_only; // what was not sent to a group is dropped
    int store;          // registry reference to the sender, whose environment is the ring; released by pe_inbox_free
    struct pe_inbox_origin *shown; // by the sender, which is it
    unsigned long lost;            // oversize, or pushed out of the ring
    unsigned long stray;           // not sent to a group
    int first, count;
    struct pe_inbox_origin origins[PE_INBOX_RING];
};

/// Takes all Lua memory that the inbox needs. Raises without memory.
void pe_inbox_open(lua_State *L, struct pe_inbox *inbox);

/// Releases it, and forgets what is in the batch.
void pe_inbox_free(struct pe_inbox *inbox);

/// Reads a batch; the one before it must be used up. Returns true if there may be more to read.
bool pe_inbox_read(struct pe_inbox *inbox);

/// Whether the batch holds a datagram for this inbox; steps over those that do not count.
bool pe_inbox_has_batch(struct pe_inbox *inbox);

/// Pushes the next datagram, of the ring or else of the batch, the sender, and when it was read: returns 3; or 0 if
/// there is none. The argument is a struct pe_inbox.
int pe_inbox_push(lua_State *L, void *argument);

/// Moves the next datagram of the batch into the ring.
void pe_inbox_store(lua_State *L, struct pe_inbox *inbox);

/// Makes the metatable of senders. Called once, by luaopen.
void pe_inbox_register(lua_State *L);
