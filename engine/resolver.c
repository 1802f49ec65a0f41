// SPDX-License-Identifier: MIT
// Drives c-ares: a uv_poll for each socket of a channel, one timer for the channel's timeouts and deadlines.
// Invariant: a socket's poll is closed as soon as c-ares gives the socket up, since its number may come back at once.
#include "resolver.h"
#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 16 };
enum { KEEP = 1000, LONGEST = 10000 }; // milliseconds after an answer for which its socket serves again; in all

struct socket {
    uv_poll_t poll; // first: on_closed frees it
    int fd;
    LIST_ENTRY(socket) sibling;
};

struct pe_channel {
    uv_timer_t timer; // first: on_closed frees it
    ares_channel ares;
    int wait, tries;
    int asked;                      // queries that c-ares has
    uint64_t opened_at, kept_until; // loop milliseconds: its sockets
    LIST_HEAD(, socket) sockets;
    LIST_HEAD(, pe_query) waiting;
    TAILQ_ENTRY(pe_channel) sibling;
    char servers[];
};

static uv_loop_t *loop;
static void (*on_turn)(void);
static TAILQ_HEAD(channels, pe_channel) channels = TAILQ_HEAD_INITIALIZER(channels); // the one used last is the last
static int open_channels;
static TAILQ_HEAD(finished, pe_query) finished = TAILQ_HEAD_INITIALIZER(finished);

void pe_resolver_open(uv_loop_t *on_loop, void (*at_turn)(void)) {
    loop = on_loop;
    on_turn = at_turn;
    ares_library_init(ARES_LIB_INIT_ALL); // counts its calls; here it does nothing that could fail
}

static void on_closed(uv_handle_t *uv) {
    free(uv);
}

static void close_channel(struct pe_channel *channel) {
    open_channels--;
    TAILQ_REMOVE(&channels, channel, sibling);
    ares_destroy(channel->ares);
    uv_close((uv_handle_t *)&channel->timer, on_closed);
}

// Of too many, those go that were used longest ago; one that has something to do goes later. So does one whose timer is
// about to hand out what c-ares knew at once.
static void close_surplus(void) {
    struct pe_channel *channel = TAILQ_FIRST(&channels), *next;
    for (; channel && open_channels > MAX_CHANNELS; channel = next) {
        next = TAILQ_NEXT(channel, sibling);
        if (!channel->asked && !uv_is_active((uv_handle_t *)&channel->timer)) close_channel(channel);
    }
}

void pe_resolver_close(void) {
    while (!TAILQ_EMPTY(&channels)) close_channel(TAILQ_FIRST(&channels));
    ares_library_cleanup();
}

struct pe_query *pe_resolver_finished(void) {
    return TAILQ_FIRST(&finished);
}

static void free_query(struct pe_query *query) {
    free(query->answer);
    free(query);
}

static void finish(struct pe_query *query, int status) {
    query->status = status;
    query->is_finished = true;
    LIST_REMOVE(query, next_waiting);
    TAILQ_INSERT_TAIL(&finished, query, next_finished);
}

void pe_resolver_release(struct pe_query *query) {
    if (query->is_finished)
        TAILQ_REMOVE(&finished, query, next_finished);
    else
        LIST_REMOVE(query, next_waiting);
    query->is_released = true;
    if (!query->is_asked) free_query(query);
}

static void on_answer(void *argument, int status, int timeouts, unsigned char *answer, int length) {
    struct pe_query *query = argument;
    query->channel->asked--;
    query->channel->kept_until = timeouts ? 0 : uv_now(loop) + KEEP;
    query->is_asked = false;
    if (query->is_released) return free_query(query);
    if (query->is_finished) return;
    query->timeouts = timeouts;
    if (status == ARES_SUCCESS) {
        query->answer = malloc((size_t)length);
        query->length = length;
        if (query->answer) memcpy(query->answer, answer, (size_t)length);
    }
    finish(query, status == ARES_SUCCESS && !query->answer ? ARES_ENOMEM : status);
}

static void on_due(uv_timer_t *timer);

// Never at once: libuv runs a timer of zero before any descriptor, and a task that asks in a loop would have all turns.
static void set_timer(struct pe_channel *channel, uint64_t due) {
    uint64_t now = uv_now(loop);
    uv_timer_start(&channel->timer, on_due, due > now ? due - now : 1, 0);
}

// Finishes those whose time is up, and sets the timer for the others.
static void set_timer_anew(struct pe_channel *channel) {
    struct timeval wait, *next = ares_timeout(channel->ares, NULL, &wait);
    struct pe_query *query = LIST_FIRST(&channel->waiting), *after;
    uint64_t now = uv_now(loop), due = UINT64_MAX;
    if (next) due = now + (uint64_t)wait.tv_sec * 1000 + (uint64_t)(wait.tv_usec + 999) / 1000;
    for (; query; query = after) {
        after = LIST_NEXT(query, next_waiting);
        if (query->deadline <= now)
            finish(query, ARES_ETIMEOUT);
        else if (query->deadline < due)
            due = query->deadline;
    }
    if (due < UINT64_MAX) set_timer(channel, due);
}

static void end_turn(struct pe_channel *channel) {
    if (!channel->asked) uv_timer_stop(&channel->timer);
    close_surplus();
    if (!TAILQ_EMPTY(&finished)) on_turn();
}

static void on_due(uv_timer_t *timer) {
    struct pe_channel *channel = (struct pe_channel *)timer;
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer_anew(channel);
    end_turn(channel);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct pe_channel *channel = poll->data;
    int fd = ((struct socket *)poll)->fd;
    if (status < 0) events = UV_READABLE | UV_WRITABLE; // c-ares finds the error itself
    ares_process_fd(channel->ares, events & UV_READABLE ? fd : ARES_SOCKET_BAD,
                    events & UV_WRITABLE ? fd : ARES_SOCKET_BAD);
    end_turn(channel);
}

static struct socket *find_socket(struct pe_channel *channel, int fd) {
    struct socket *socket;
    LIST_FOREACH(socket, &channel->sockets, sibling) {
        if (socket->fd == fd) return socket;
    }
    socket = calloc(1, sizeof *socket);
    if (!socket || uv_poll_init(loop, &socket->poll, fd)) {
        free(socket);
        return NULL; // its queries time out
    }
    socket->fd = fd;
    socket->poll.data = channel;
    LIST_INSERT_HEAD(&channel->sockets, socket, sibling);
    return socket;
}

static void on_socket(void *argument, ares_socket_t fd, int is_readable, int is_writable) {
    struct socket *socket = find_socket(argument, fd);
    if (!socket) return;
    if (is_readable || is_writable) {
        uv_poll_start(&socket->poll, (is_readable ? UV_READABLE : 0) | (is_writable ? UV_WRITABLE : 0), on_ready);
        return;
    }
    LIST_REMOVE(socket, sibling);
    uv_close((uv_handle_t *)&socket->poll, on_closed);
}

// Everything is given, so that c-ares reads neither files nor the environment.
static int open_ares(struct pe_channel *channel) {
    struct in_addr placeholder = {0};
    struct ares_options options = {
        .flags = ARES_FLAG_STAYOPEN,
        .timeout = channel->wait,
        .tries = channel->tries,
        .servers = &placeholder,
        .nservers = 1,
        .lookups = "b",
        .sock_state_cb = on_socket,
        .sock_state_cb_data = channel,
    };
    int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_SERVERS |
                ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_NOROTATE | ARES_OPT_SOCK_STATE_CB;
    return ares_init_options(&channel->ares, &options, given);
}

// A socket for each look-up would be most of its cost. After a pause, a silence or a while there are new ones: they
// have ports that nobody could guess meanwhile, and an address that this host still has. While some are asked none can
// close.
static int renew_sockets(struct pe_channel *channel) {
    uint64_t now = uv_now(loop);
    if (channel->asked || (now < channel->kept_until && now < channel->opened_at + LONGEST)) return ARES_SUCCESS;
    channel->opened_at = now;
    return ares_set_servers_ports_csv(channel->ares, channel->servers); // closes those it has
}

static int open_channel(const char *servers, const struct pe_timing *timing, struct pe_channel **opened) {
    struct pe_channel *channel = *opened = calloc(1, sizeof *channel + strlen(servers) + 1);
    if (!channel) return ARES_ENOMEM;
    channel->wait = timing->wait;
    channel->tries = timing->tries;
    strcpy(channel->servers, servers);
    uv_timer_init(loop, &channel->timer);
    TAILQ_INSERT_TAIL(&channels, channel, sibling);
    open_channels++;
    int status = open_ares(channel);
    if (!status) status = renew_sockets(channel);
    if (status) close_channel(channel);
    return status;
}

static struct pe_channel *find_channel(const char *servers, const struct pe_timing *timing) {
    struct pe_channel *channel;
    TAILQ_FOREACH_REVERSE(channel, &channels, channels, sibling) {
        if (channel->wait == timing->wait && channel->tries == timing->tries && !strcmp(channel->servers, servers))
            break;
    }
    return channel;
}

int pe_resolver_ask(struct pe_query *query, const char *servers, const char *name, int type,
                    const struct pe_timing *timing) {
    struct pe_channel *channel = find_channel(servers, timing);
    struct pe_query *last = TAILQ_LAST(&finished, finished);
    int status = channel ? renew_sockets(channel) : open_channel(servers, timing, &channel);
    if (status) return status == ARES_ENOMEM ? UV_ENOMEM : UV_EINVAL;
    if (channel->asked >= PE_RESOLVER_QUERIES) return UV_EAGAIN;
    uint64_t now = uv_now(loop), due = now + (uint64_t)channel->wait;
    uv_timer_t *timer = &channel->timer;
    if (timing->deadline < due) due = timing->deadline;
    if (!uv_is_active((uv_handle_t *)timer) || due < now + uv_timer_get_due_in(timer)) set_timer(channel, due);
    query->deadline = timing->deadline;
    query->channel = channel;
    query->is_asked = true;
    channel->asked++;
    TAILQ_REMOVE(&channels, channel, sibling);
    TAILQ_INSERT_TAIL(&channels, channel, sibling);
    LIST_INSERT_HEAD(&channel->waiting, query, next_waiting);
    close_surplus();
    ares_query(channel->ares, name, ns_c_in, type, on_answer, query);
    if (TAILQ_LAST(&finished, finished) != last) set_timer(channel, 0); // c-ares knew at once
    return 0;
}
