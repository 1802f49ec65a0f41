// SPDX-License-Identifier: MIT
// Memberships by MCAST_JOIN_GROUP, which serves both families, and sending by pktinfo.
#include "multicast.h"
#include "address.h"
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#ifndef IPV6_MULTICAST_ALL // Linux 4.20; not in every libc's headers
#define IPV6_MULTICAST_ALL 29
#endif

static bool is_v6(const struct pe_multicast *multicast) {
    return multicast->group.ss_family == AF_INET6;
}

bool pe_multicast_is_group(const struct sockaddr_storage *address) {
    if (address->ss_family == AF_INET6)
        return IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)address)->sin6_addr);
    return IN_MULTICAST(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
}

static int set(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) ? -errno : 0;
}

int pe_multicast_open(struct pe_multicast *multicast, int fd, const struct sockaddr_storage *group, int ttl,
                      bool loop) {
    int status;
    multicast->fd = fd;
    multicast->group = *group;
    if (is_v6(multicast)) {
        set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
        status = set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl);
        return status ? status : set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, loop);
    }
    set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    status = set(fd, IPPROTO_IP, IP_MULTICAST_TTL, ttl);
    return status ? status : set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, loop);
}

static bool is_wanted(const struct ifaddrs *entry, const char *const *wanted) {
    char address[PE_ADDRESS_TEXT], index[16];
    pe_address_print(entry->ifa_addr, address);
    snprintf(index, sizeof index, "%u", if_nametoindex(entry->ifa_name));
    for (; *wanted; wanted++)
        if (!strcmp(*wanted, entry->ifa_name) || !strcmp(*wanted, address) || !strcmp(*wanted, index)) return true;
    return false;
}

static struct pe_multicast_link *find(struct pe_multicast_link *links, int count, unsigned index) {
    for (int i = 0; i < count; i++)
        if (links[i].index == index) return &links[i];
    return NULL;
}

// Fills `links` from `list` by `wanted`, or by `flags` (of these: up, multicast, loopback) where nothing is wanted.
static int choose(struct pe_multicast_link *links, const struct ifaddrs *list, int family, const char *const *wanted,
                  unsigned flags) {
    int count = 0;
    for (const struct ifaddrs *entry = list; entry && count < PE_MULTICAST_INTERFACES; entry = entry->ifa_next) {
        if (!entry->ifa_addr || entry->ifa_addr->sa_family != family || !(entry->ifa_flags & IFF_UP)) continue;
        unsigned index = if_nametoindex(entry->ifa_name);
        if (!index || find(links, count, index)) continue;
        if (*wanted ? !is_wanted(entry, wanted) : (entry->ifa_flags & (flags | IFF_LOOPBACK)) != flags) continue;
        links[count] = (struct pe_multicast_link){.index = index};
        snprintf(links[count].name, sizeof links[count].name, "%s", entry->ifa_name);
        if (family == AF_INET) links[count].source = ((const struct sockaddr_in *)entry->ifa_addr)->sin_addr;
        count++;
    }
    return count;
}

static int change(struct pe_multicast *multicast, int operation, unsigned index) {
    struct group_req request = {.gr_interface = index, .gr_group = multicast->group};
    int level = is_v6(multicast) ? IPPROTO_IPV6 : IPPROTO_IP;
    return setsockopt(multicast->fd, level, operation, &request, sizeof request) ? -errno : 0;
}

int pe_multicast_join(struct pe_multicast *multicast, const char *const *wanted) {
    struct pe_multicast_link links[PE_MULTICAST_INTERFACES];
    struct ifaddrs *list;
    int status = 0, kept = 0;
    multicast->failed[0] = '\0';
    if (getifaddrs(&list)) return -errno;
    int count = choose(links, list, multicast->group.ss_family, wanted, IFF_MULTICAST);
    if (!count && !*wanted) count = choose(links, list, multicast->group.ss_family, wanted, IFF_LOOPBACK);
    freeifaddrs(list);
    for (int i = 0; i < multicast->count; i++)
        if (!find(links, count, multicast->joined[i].index))
            change(multicast, MCAST_LEAVE_GROUP, multicast->joined[i].index);
    for (int i = 0; i < count; i++) {
        bool is_new = !find(multicast->joined, multicast->count, links[i].index);
        int failure = is_new ? change(multicast, MCAST_JOIN_GROUP, links[i].index) : 0;
        if (!failure) {
            links[kept++] = links[i];
        } else {
            status = failure;
            memcpy(multicast->failed, links[i].name, sizeof links[i].name);
        }
    }
    memcpy(multicast->joined, links, sizeof *links * (size_t)kept);
    multicast->count = kept;
    return status;
}

static int send_on(const struct pe_multicast *multicast, const struct pe_multicast_link *link, struct msghdr *message) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {0};
    struct cmsghdr *header = &control.header;
    message->msg_control = &control;
    if (is_v6(multicast)) {
        struct in6_pktinfo route = {.ipi6_ifindex = link->index};
        *header = (struct cmsghdr){CMSG_LEN(sizeof route), IPPROTO_IPV6, IPV6_PKTINFO};
        memcpy(CMSG_DATA(header), &route, sizeof route);
        message->msg_controllen = CMSG_SPACE(sizeof route);
    } else {
        struct in_pktinfo route = {.ipi_ifindex = (int)link->index, .ipi_spec_dst = link->source};
        *header = (struct cmsghdr){CMSG_LEN(sizeof route), IPPROTO_IP, IP_PKTINFO};
        memcpy(CMSG_DATA(header), &route, sizeof route);
        message->msg_controllen = CMSG_SPACE(sizeof route);
    }
    int status = sendmsg(multicast->fd, message, 0) < 0 ? -errno : 0;
    message->msg_control = NULL;
    return status;
}

int pe_multicast_send(const struct pe_multicast *multicast, const void *data, size_t size, int port) {
    struct sockaddr_storage to = multicast->group;
    struct iovec slice = {(void *)data, size};
    struct msghdr message = {.msg_name = &to, .msg_iov = &slice, .msg_iovlen = 1};
    bool is_sent = false;
    int status = UV_ENODEV;
    message.msg_namelen = pe_address_size((struct sockaddr *)&to);
    ((struct sockaddr_in *)&to)->sin_port = htons((uint16_t)port); // where IPv6 has it, too
    for (int i = 0; i < multicast->count; i++) {
        status = send_on(multicast, &multicast->joined[i], &message);
        is_sent |= status == 0;
    }
    return is_sent ? 0 : status;
}
