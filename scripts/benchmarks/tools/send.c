// SPDX-License-Identifier: MIT
// Sends datagrams to a multicast group on the loopback interface no faster than its member takes them:
// `bench-send [--single] GROUP PORT COUNT FILE`. FILE has one datagram a line, in hexadecimal; they are sent in turn,
// over and over; with --single each when the one before was taken, so that a member gets one at a time, whatever the
// machine does. Prints what was sent and what the kernel dropped, as /proc/net/udp counts it.
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

static void await_room(unsigned port, unsigned long bytes) {
    for (int i = 0; i < patience; i++) {
        struct queue queue = look(port);
        if (queue.members && queue.bytes <= bytes) return;
        nanosleep(&moment, NULL);
    }
    errno = ETIMEDOUT;
    fail("the member does not take what is sent");
}

// Until a member is bound and has joined: what comes between is not dropped, but was never queued.
static void await_member(const char *group, unsigned port) {
    char text[65536], wanted[16];
    snprintf(wanted, sizeof wanted, "\t%08X ", inet_addr(group));
    for (int i = 0; i < patience; i++) {
        int fd = open("/proc/net/igmp", O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (length < 0) fail("/proc/net/igmp");
        close(fd);
        text[length] = 0;
        if (strstr(text, wanted) && look(port).members) return;
        nanosleep(&moment, NULL);
    }
    errno = ETIMEDOUT;
    fail("no member");
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

// Sends `count` datagrams, the next of them first.
static void send_batch(int fd, const struct iovec *datagrams, size_t kinds, size_t next, unsigned count) {
    struct mmsghdr batch[BATCH] = {0};
    for (unsigned i = 0; i < count; i++) {
        batch[i].msg_hdr = (struct msghdr){.msg_iov = (struct iovec *)&datagrams[(next + i) % kinds], .msg_iovlen = 1};
    }
    for (unsigned sent = 0; sent < count;) {
        int more = sendmmsg(fd, batch + sent, count - sent, 0);
        if (more < 0) fail("sendmmsg");
        sent += (unsigned)more;
    }
}

int main(int argc, char **argv) {
    int is_single = argc > 1 && !strcmp(argv[1], "--single");
    if (argc != 5 + is_single) {
        fputs("usage: bench-send [--single] GROUP PORT COUNT FILE\n", stderr);
        return 64;
    }
    char **arguments = argv + 1 + is_single;
    unsigned port = (unsigned)atoi(arguments[1]), most = is_single ? 1 : BATCH;
    size_t total = strtoul(arguments[2], NULL, 10);
    struct iovec *datagrams = NULL;
    size_t kinds = read_datagrams(arguments[3], &datagrams);
    int fd = open_socket(arguments[0], port);
    prctl(PR_SET_TIMERSLACK, 1);
    await_member(arguments[0], port);
    unsigned long dropped = look(port).drops;
    for (size_t next = 0; next < total;) {
        unsigned count = total - next < most ? (unsigned)(total - next) : most;
        send_batch(fd, datagrams, kinds, next, count);
        next += count;
        await_room(port, is_single ? 0 : MAX_QUEUED);
    }
    await_room(port, 0);
    printf("%zu %lu\n", total, look(port).drops - dropped);
    return 0;
}
