// SPDX-License-Identifier: MIT
// Drives one c-ares channel: a uv_poll for each of its sockets, and one timer for its timeouts and its users'
// deadlines. Invariant: a socket's poll is closed as soon as c-ares gives the socket up, since its number may come back
// at once.
#include "channel.h"
#include <arpa/nameser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pe_channel_socket {
    uv_poll_t poll;
    int fd;
    LIST_ENTRY(pe_channel_socket) sibling;
};

enum { MAX_CHANNELS = 16 };

static void on_due(uv_timer_t *timer);

// The tries of one server wait 1, 2, 4, … times the first one's wait, and each server has its turn.
static int first_wait(const struct pe_channel *channel) {
    int wait = channel->timeout / (channel->servers.count * ((1 << channel->tries) - 1));
    return wait > 0 ? wait : 1;
}

static void set_timer(struct pe_channel *channel, uint64_t due) {
    uint64_t now = uv_now(channel->pool->loop);
    channel->due = due;
    uv_timer_start(&channel->timer, on_due, due > now ? due - now : 0, 0);
}

static void set_timer_anew(struct pe_channel *channel) {
    struct timeval wait, *next = ares_timeout(channel->ares, NULL, &wait);
    struct pe_channel_user *user = TAILQ_FIRST(&channel->users);
    uint64_t due = UINT64_MAX;
    if (next) due = uv_now(channel->pool->loop) + (uint64_t)wait.tv_sec * 1000 + (uint64_t)(wait.tv_usec + 999) / 1000;
    if (user && user->deadline < due) due = user->deadline;
    if (due < UINT64_MAX) set_timer(channel, due);
}

static void free_channel(struct pe_channel *channel) {
    if (channel->ares) ares_destroy(channel->ares);
    free(channel->key);
    free(channel);
}

static void on_timer_closed(uv_handle_t *timer) {
    struct pe_channel *channel = timer->data;
    free_channel(channel);
}

static void close_channel(struct pe_channel *channel) {
    TAILQ_REMOVE(&channel->pool->channels, channel, sibling);
    ares_destroy(channel->ares);
    channel->ares = NULL;
    uv_close((uv_handle_t *)&channel->timer, on_timer_closed);
}

// Returns whether the channel is still open.
static bool end_turn(struct pe_channel *channel) {
    channel->pool->on_turn(channel);
    if (channel->user_count) return true;
    uv_timer_stop(&channel->timer);
    if (channel->is_abandoned)
        close_channel(channel);
    else
        return true;
    return false;
}

static void on_due(uv_timer_t *timer) {
    struct pe_channel *channel = timer->data;
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (end_turn(channel) && channel->user_count) set_timer_anew(channel);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct pe_channel *channel = poll->data;
    int fd = ((struct pe_channel_socket *)poll)->fd;
    if (status < 0) events = UV_READABLE | UV_WRITABLE; // c-ares finds the error itself
    ares_process_fd(channel->ares, events & UV_READABLE ? fd : ARES_SOCKET_BAD,
                    events & UV_WRITABLE ? fd : ARES_SOCKET_BAD);
    end_turn(channel);
}

static void on_socket_closed(uv_handle_t *poll) {
    free(poll);
}

static struct pe_channel_socket *find_socket(struct pe_channel *channel, int fd) {
    struct pe_channel_socket *socket;
    LIST_FOREACH(socket, &channel->sockets, sibling) {
        if (socket->fd == fd) return socket;
    }
    socket = calloc(1, sizeof *socket);
    if (!socket || uv_poll_init(channel->pool->loop, &socket->poll, fd)) {
        free(socket);
        return NULL; // its questions time out
    }
    socket->fd = fd;
    socket->poll.data = channel;
    LIST_INSERT_HEAD(&channel->sockets, socket, sibling);
    return socket;
}

static void on_socket(void *argument, ares_socket_t fd, int is_readable, int is_writable) {
    struct pe_channel_socket *socket = find_socket(argument, fd);
    if (!socket) return;
    if (is_readable || is_writable) {
        uv_poll_start(&socket->poll, (is_readable ? UV_READABLE : 0) | (is_writable ? UV_WRITABLE : 0), on_ready);
        return;
    }
    LIST_REMOVE(socket, sibling);
    uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
}

// Everything is given, so that c-ares reads neither files nor the environment.
static int open_ares(struct pe_channel *channel) {
    struct in_addr placeholder = {0};
    struct ares_options options = {
        .timeout = first_wait(channel),
        .tries = channel->tries,
        .servers = &placeholder,
        .nservers = 1,
        .lookups = "b",
        .sock_state_cb = on_socket,
        .sock_state_cb_data = channel,
    };
    int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_SERVERS |
                ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_NOROTATE | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&channel->ares, &options, given);
    return status ? status : ares_set_servers_ports(channel->ares, channel->servers.nodes);
}

static struct pe_channel *open_channel(struct pe_channel_pool *pool, const char *key, int timeout, int tries, int first,
                                       char *problem, size_t size) {
    struct pe_channel *channel = calloc(1, sizeof *channel);
    *problem = 0;
    if (!channel) return NULL;
    *channel = (struct pe_channel){.pool = pool, .timeout = timeout, .tries = tries, .first = first};
    TAILQ_INIT(&channel->users);
    channel->key = strdup(key);
    if (!channel->key || pe_servers_parse(&channel->servers, key, first, problem, size) || open_ares(channel)) {
        free_channel(channel);
        return NULL;
    }
    uv_timer_init(pool->loop, &channel->timer);
    channel->timer.data = channel;
    TAILQ_INSERT_TAIL(&pool->channels, channel, sibling);
    return channel;
}

// Closes in a later turn, once it has no users.
static void abandon(struct pe_channel *channel) {
    channel->is_abandoned = true;
    if (!channel->user_count) set_timer(channel, 0);
}

// The one that is to go for a new one: the one idle for longest, or if all are in use the one asked longest ago.
static struct pe_channel *find_oldest(struct pe_channel_pool *pool) {
    struct pe_channel *channel, *oldest = NULL;
    int count = 0;
    TAILQ_FOREACH(channel, &pool->channels, sibling) {
        if (channel->is_abandoned) continue;
        bool is_idle = !channel->user_count, is_rival_idle = oldest && !oldest->user_count;
        bool is_older = !oldest || channel->last_used < oldest->last_used;
        if (is_idle != is_rival_idle ? is_idle : is_older) oldest = channel;
        count++;
    }
    return count < MAX_CHANNELS ? NULL : oldest;
}

static bool is_for(const struct pe_channel *channel, const char *key, int timeout, int tries) {
    return !channel->is_abandoned && channel->timeout == timeout && channel->tries == tries &&
           !strcmp(channel->key, key);
}

// What is left of a caller's own time differs with each call, and channels are to be few: such a timing is rounded
// down, and the look-up asks once more in the rest. What people write, as 1 s, stays as it is.
static int round_timing(int milliseconds) {
    int shift = 0;
    if (milliseconds % 100 == 0) return milliseconds;
    while (milliseconds >> shift > 7) shift++;
    return milliseconds >> shift << shift;
}

struct pe_channel *pe_channel_find(struct pe_channel_pool *pool, const char *key, int timeout, int tries, char *problem,
                                   size_t size) {
    struct pe_channel *old, *channel;
    timeout = round_timing(timeout);
    TAILQ_FOREACH(old, &pool->channels, sibling) {
        if (is_for(old, key, timeout, tries)) break;
    }
    if (old && (!old->timeouts || old->servers.count == 1)) return old;
    int first = old ? (old->first + old->timeouts) % old->servers.count : 0;
    if (!old) old = find_oldest(pool);
    channel = open_channel(pool, key, timeout, tries, first, problem, size);
    if (channel && old) abandon(old);
    return channel;
}

void pe_channel_pool_init(struct pe_channel_pool *pool, uv_loop_t *loop, void (*on_turn)(struct pe_channel *channel),
                          void *owner) {
    *pool = (struct pe_channel_pool){.loop = loop, .on_turn = on_turn, .owner = owner};
    TAILQ_INIT(&pool->channels);
    ares_library_init(ARES_LIB_INIT_ALL); // counts its calls; here it does nothing that could fail
}

void pe_channel_pool_close(struct pe_channel_pool *pool) {
    struct pe_channel *channel;
    while ((channel = TAILQ_FIRST(&pool->channels))) close_channel(channel);
    ares_library_cleanup();
}

void pe_channel_join(struct pe_channel *channel, struct pe_channel_user *user) {
    struct pe_channel_user *before = TAILQ_LAST(&channel->users, pe_channel_users);
    while (before && before->deadline > user->deadline) before = TAILQ_PREV(before, pe_channel_users, next_user);
    if (before)
        TAILQ_INSERT_AFTER(&channel->users, before, user, next_user);
    else
        TAILQ_INSERT_HEAD(&channel->users, user, next_user);
    channel->user_count++;
    channel->last_used = uv_now(channel->pool->loop);
}

void pe_channel_give_up(struct pe_channel *channel, struct pe_channel_user *user) {
    TAILQ_REMOVE(&channel->users, user, next_user);
}

void pe_channel_leave(struct pe_channel *channel) {
    channel->user_count--;
}

// The new question is due after those already asked, unless these are in a later, longer wait.
void pe_channel_ask(struct pe_channel *channel, const char *name, int type, ares_callback on_answer, void *argument) {
    uint64_t due = uv_now(channel->pool->loop) + (uint64_t)first_wait(channel);
    struct pe_channel_user *user = TAILQ_FIRST(&channel->users);
    if (user && user->deadline < due) due = user->deadline;
    if (!uv_is_active((uv_handle_t *)&channel->timer) || due < channel->due) set_timer(channel, due);
    ares_query(channel->ares, name, ns_c_in, type, on_answer, argument);
}
