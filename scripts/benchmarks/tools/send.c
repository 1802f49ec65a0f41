// SPDX-License-Identifier: MIT
// Sends datagrams to a multicast group on the loopback interface no faster than its member takes them:
// `bench-send GROUP PORT COUNT FILE`. FILE has one datagram a line, in hexadecimal; they are sent in turn, over and
// over. Prints what was sent and what the kernel dropped, as /proc/net/udp counts it.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,
    MAX_LINE = 4096,
    MAX_QUEUED = 100000
}; // bytes; with a batch more it stays below net.core.rmem_default
static const struct timespec moment = {.tv_nsec = 20000};
static const int patience = 500000; // moments; for the member to come, and to take what is queued

struct queue {
    int members;
    unsigned long bytes, drops;
};

static void fail(const char *what) {
    fprintf(stderr, "bench-send: %s: %s\n", what, strerror(errno));
    exit(1);
}

// What waits at the sockets that are bound to `port`: the fields of /proc/net/udp by proc(5).
static struct queue look(unsigned port) {
    static int fd = -1;
    static char text[65536];
    struct queue queue = {0};
    if (fd < 0 && (fd = open("/proc/net/udp", O_RDONLY | O_CLOEXEC)) < 0) fail("/proc/net/udp");
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    if (length < 0) fail("/proc/net/udp");
    text[length] = 0;
    for (char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
        unsigned local;
        unsigned long bytes, drops;
        const char *format = " %*d: %*x:%x %*x:%*x %*x %*x:%lx %*x:%*x %*x %*u %*u %*u %*d %*x %lu";
        if (sscanf(line + 1, format, &local, &bytes, &drops) != 3 || local != port) continue;
        queue.members++;
        queue.bytes += bytes;
        queue.drops += drops;
    }
    return queue;
}

// A socket is bound before it joins. /proc/net/igmp has the groups as numbers in the byte order of the host.
static void await_membership(const char *group) {
    char text[4096], wanted[16];
    snprintf(wanted, sizeof wanted, "%08X ", inet_addr(group));
    for (int i = 0; i < patience; i++) {
        FILE *file = fopen("/proc/net/igmp", "r");
        if (!file) fail("/proc/net/igmp");
        text[fread(text, 1, sizeof text - 1, file)] = 0;
        fclose(file);
        if (strstr(text, wanted)) return;
        nanosleep(&moment, NULL);
    }
    errno = ETIMEDOUT;
    fail("nobody is in the group");
}

static void await(unsigned port, int members, unsigned long bytes) {
    for (int i = 0; i < patience; i++) {
        struct queue queue = look(port);
        if (queue.members >= members && queue.bytes <= bytes) return;
        nanosleep(&moment, NULL);
    }
    errno = ETIMEDOUT;
    fail(members ? "the member does not take what is sent" : "no member");
}

static size_t read_datagrams(const char *path, struct iovec **datagrams) {
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    static char line[MAX_LINE];
    size_t count = 0, room = 0;
    while (fgets(line, sizeof line, file)) {
        if (count == room) *datagrams = realloc(*datagrams, (room = room ? 2 * room : 1024) * sizeof **datagrams);
        size_t length = strcspn(line, "\n") / 2;
        unsigned char *bytes = malloc(length);
        for (size_t i = 0; i < length; i++) sscanf(line + 2 * i, "%2hhx", &bytes[i]);
        (*datagrams)[count++] = (struct iovec){bytes, length};
    }
    fclose(file);
    if (!count) fail(path);
    return count;
}

static int open_socket(const char *group, unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || !inet_aton(group, &address.sin_addr)) fail("socket");
    if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback)) fail("IP_MULTICAST_IF");
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fputs("usage: bench-send GROUP PORT COUNT FILE\n", stderr);
        return 64;
    }
    unsigned port = (unsigned)atoi(argv[2]);
    size_t left = strtoul(argv[3], NULL, 10), next = 0;
    struct iovec *datagrams = NULL;
    size_t kinds = read_datagrams(argv[4], &datagrams);
    int fd = open_socket(argv[1], port);
    prctl(PR_SET_TIMERSLACK, 1);
    await(port, 1, MAX_QUEUED);
    await_membership(argv[1]);
    unsigned long dropped = look(port).drops;
    for (struct mmsghdr batch[BATCH] = {0}; left;) {
        unsigned count = left < BATCH ? (unsigned)left : BATCH;
        for (unsigned i = 0; i < count; i++)
            batch[i].msg_hdr = (struct msghdr){.msg_iov = &datagrams[(next + i) % kinds], .msg_iovlen = 1};
        int sent = sendmmsg(fd, batch, count, 0);
        if (sent < 0) fail("sendmmsg");
        left -= (size_t)sent;
        next += (size_t)sent;
        await(port, 1, MAX_QUEUED);
    }
    await(port, 1, 0);
    printf("%s %lu\n", argv[3], look(port).drops - dropped);
    return 0;
}
