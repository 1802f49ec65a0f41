// SPDX-License-Identifier: MIT
// The least that a client of c-ares can do: asks for the addresses of name0.DOMAIN to name999.DOMAIN in turn, over
// one UDP socket to each server that stays open. `bench-dns DOMAIN COUNT IN_FLIGHT ADDRESS:PORT…`, IN_FLIGHT at each
// server; fails unless each name has one address.
#include <ares.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 1000, MAX_NAME = 256, MAX_ADDRESSES = 16, MAX_SERVERS = 16 };
static const int patience = 100; // milliseconds until c-ares looks at its timeouts

static struct server {
    ares_channel ares;
    long in_flight;
} servers[MAX_SERVERS];
static int server_count;
static char names[NAMES][MAX_NAME];
static long asked, answered, right;

static void check(int status, const char *what) {
    if (!status) return;
    fprintf(stderr, "bench-dns: %s: %s\n", what, ares_strerror(status));
    exit(1);
}

static void on_answer(void *argument, int status, int timeouts, unsigned char *answer, int length) {
    struct ares_addrttl found[MAX_ADDRESSES];
    int count = MAX_ADDRESSES;
    ((struct server *)argument)->in_flight--;
    (void)timeouts;
    answered++;
    if (!status) status = ares_parse_a_reply(answer, length, NULL, found, &count);
    right += !status && count == 1;
}

static void open_server(const char *address) {
    struct ares_options options = {.flags = ARES_FLAG_STAYOPEN, .lookups = "b"};
    struct server *server = &servers[server_count++];
    check(ares_init_options(&server->ares, &options, ARES_OPT_FLAGS | ARES_OPT_LOOKUPS), "ares_init_options");
    check(ares_set_servers_ports_csv(server->ares, address), address);
}

static void ask(long count, long in_flight) {
    for (struct server *server = servers; server < servers + server_count; server++) {
        for (; asked < count && server->in_flight < in_flight; asked++) {
            server->in_flight++;
            ares_query(server->ares, names[asked % NAMES], ns_c_in, ns_t_a, on_answer, server);
        }
    }
}

// Timeouts are looked at only when no answer comes.
static void await_answers(void) {
    struct pollfd sockets[MAX_SERVERS];
    for (int i = 0; i < server_count; i++) {
        int fd;
        sockets[i].fd = ares_getsock(servers[i].ares, &fd, 1) ? fd : -1;
        sockets[i].events = POLLIN;
    }
    int is_late = poll(sockets, (nfds_t)server_count, patience) <= 0;
    for (int i = 0; i < server_count; i++) {
        int is_ready = !is_late && sockets[i].revents;
        if (is_ready || is_late)
            ares_process_fd(servers[i].ares, is_ready ? sockets[i].fd : ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
}

int main(int argc, char **argv) {
    if (argc < 5 || argc > 4 + MAX_SERVERS) {
        fputs("usage: bench-dns DOMAIN COUNT IN_FLIGHT ADDRESS:PORT…\n", stderr);
        return 64;
    }
    long count = atol(argv[2]), in_flight = atol(argv[3]);
    for (int i = 0; i < NAMES; i++) snprintf(names[i], MAX_NAME, "name%d.%s", i, argv[1]);
    check(ares_library_init(ARES_LIB_INIT_ALL), "ares_library_init");
    for (int i = 4; i < argc; i++) open_server(argv[i]);
    while (answered < count) {
        ask(count, in_flight);
        await_answers();
    }
    for (int i = 0; i < server_count; i++) ares_destroy(servers[i].ares);
    if (right == count) return 0;
    fprintf(stderr, "bench-dns: %ld of %ld were answered with an address\n", right, count);
    return 1;
}
