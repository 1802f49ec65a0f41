// SPDX-License-Identifier: MIT
/// Groups: one socket's membership of one multicast group, on several interfaces that come and go.
/// Invariant: what `joined` lists the kernel has joined, and what is sent to the group leaves on each of them.
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

enum { PE_MULTICAST_INTERFACES = 64 };

struct pe_multicast_link {
    unsigned index;
    char name[IF_NAMESIZE];
    struct in_addr source; // IPv4 alone
};

/// Part of a socket's struct; all zero: no group.
struct pe_multicast {
    int fd; // borrowed
    struct sockaddr_storage group;
    int count;
    struct pe_multicast_link joined[PE_MULTICAST_INTERFACES];
    char failed[IF_NAMESIZE]; // the interface that pe_multicast_join failed on
};

/// Whether it is an address of a group.
bool pe_multicast_is_group(const struct sockaddr_storage *address);

/// Sets the socket up for `group`: only groups of its own are heard. Joins nothing yet. Returns 0 or a libuv code.
int pe_multicast_open(struct pe_multicast *multicast, int fd, const struct sockaddr_storage *group, int ttl, bool loop);

/// Lists the interfaces anew, joins on new ones and leaves those that are gone. `wanted` (NULL at the end) are names,
/// indexes or addresses of interfaces that are up; empty: all that can multicast, else the loopback one. One that fails
/// does not keep the others from being joined. Returns 0, or the code of the last failure with `failed` set.
int pe_multicast_join(struct pe_multicast *multicast, const char *const *wanted);

/// Sends to the group at `port`, once on each joined interface. Returns 0 if one of them took it, else a libuv code.
int pe_multicast_send(const struct pe_multicast *multicast, const void *data, size_t size, int port);
