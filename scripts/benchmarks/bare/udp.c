// SPDX-License-Identifier: MIT
// The least that a member of a multicast group can do: a blocking recvmmsg(2) of up to 64 datagrams that only counts.
// `bench-udp GROUP PORT`; TERM ends it.
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, ROOM = 2048 };
static unsigned long received;

static void fail(const char *what) {
    fprintf(stderr, "bench-udp: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void on_term(int number) {
    (void)number;
    exit(received == 0);
}

int main(int argc, char **argv) {
    static char bytes[BATCH][ROOM];
    struct iovec places[BATCH];
    struct mmsghdr batch[BATCH] = {0};
    if (argc != 3) return 64;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
    struct ip_mreq membership = {.imr_interface.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || !inet_aton(argv[1], &membership.imr_multiaddr)) fail("socket");
    address.sin_addr = membership.imr_multiaddr;
    if (bind(fd, (struct sockaddr *)&address, sizeof address)) fail("bind");
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership)) fail("IP_ADD_MEMBERSHIP");
    for (int i = 0; i < BATCH; i++) {
        places[i] = (struct iovec){bytes[i], ROOM};
        batch[i].msg_hdr = (struct msghdr){.msg_iov = &places[i], .msg_iovlen = 1};
    }
    signal(SIGTERM, on_term);
    for (;;) {
        int count = recvmmsg(fd, batch, BATCH, MSG_WAITFORONE, NULL);
        if (count < 0) fail("recvmmsg");
        received += (unsigned)count;
    }
}
