// SPDX-License-Identifier: MIT
// The multi handle: its sockets are in an epoll(7) set of their own, which is one handle on the loop, and one timer
// serves its time limits. libcurl closes some sockets without a word: those leave the set by themselves, while a poll
// of libuv's would meet whoever gets their number next. Invariant: what comes on a connection while nobody waits for it
// is never taken for an answer.
#include "multi.h"
#include <errno.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_IDLE = 16,   // connections that are kept beside those in use
    MAX_EVENTS = 64, // that are taken at a time
    MAX_WASTE = 256  // blocks of what nobody asked for that are read away
};

// Of a descriptor. It stays in the set between two requests, since to take it out and in again would cost more than its
// rare events: it is taken out when one comes.
struct place {
    uint32_t events; // that it was put into the set for
    bool is_wanted;  // by libcurl
    bool is_idle;    // a connection of HTTP/1 whose last request has been answered
};

// What is due at once is done in the loop's next turn: a timer of zero would run again and again in the same one.
struct ticker {
    uv_poll_t poll;
    uv_timer_t timer;
    uv_idle_t at_once;
    int closed;
};

static uv_loop_t *loop;
static void (*on_done)(struct pe_multi_member *member, CURLcode result);
static void (*on_turn)(void);
static CURLM *multi;
static int polled = -1;       // the set
static struct ticker *ticker; // while there are transfers
static int transfers;
static TAILQ_HEAD(waiting, pe_multi_member) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static struct place *places; // by descriptor
static int place_count, idle_count;

// Returns NULL without memory.
static struct place *find_place(curl_socket_t fd) {
    if (fd < place_count) return places + fd;
    int count = 2 * fd + 16;
    struct place *grown = realloc(places, (size_t)count * sizeof *grown);
    if (!grown) return NULL;
    memset(grown + place_count, 0, (size_t)(count - place_count) * sizeof *grown);
    places = grown;
    place_count = count;
    return places + fd;
}

static void on_ticker_closed(uv_handle_t *uv) {
    struct ticker *closed = uv->data;
    if (++closed->closed == 3) free(closed);
}

// After the last transfer nothing is left on the loop.
static void rest(void) {
    if (transfers || !ticker) return;
    uv_close((uv_handle_t *)&ticker->poll, on_ticker_closed);
    uv_close((uv_handle_t *)&ticker->timer, on_ticker_closed);
    uv_close((uv_handle_t *)&ticker->at_once, on_ticker_closed);
    ticker = NULL;
}

// By itself libcurl would keep as many connections as there once were transfers. It looks when one has ended and still
// counts.
static void count(int more) {
    transfers += more;
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)(transfers ? transfers - 1 : 0) + MAX_IDLE);
}

static void take_out(struct pe_multi_member *member) {
    if (member->is_waiting)
        TAILQ_REMOVE(&waiting, member, next);
    else
        curl_multi_remove_handle(multi, member->easy);
    member->is_waiting = false;
    count(-1);
}

// On a connection of HTTP/2 that has gone silent others would time out, too.
void pe_multi_remove(struct pe_multi_member *member) {
    curl_easy_setopt(member->easy, CURLOPT_FORBID_REUSE, 1L);
    take_out(member);
    rest();
}

// Its transfers time out where it fails. That the other end has closed is only asked for with what it sent before: it
// would be told again and again.
static void watch(curl_socket_t fd, uint32_t events) {
    struct epoll_event event = {.events = events | (events & EPOLLIN ? EPOLLRDHUP : 0), .data.fd = fd};
    places[fd].events = events;
    if (epoll_ctl(polled, EPOLL_CTL_MOD, fd, &event)) epoll_ctl(polled, EPOLL_CTL_ADD, fd, &event);
}

static void set_idle(struct place *place, bool is_idle) {
    idle_count += (int)is_idle - (int)place->is_idle;
    place->is_idle = is_idle;
}

// Other versions of HTTP tell themselves what belongs to which request.
static void note_idle(CURL *easy) {
    curl_socket_t fd = CURL_SOCKET_BAD;
    long version = 0;
    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    if (version != CURL_HTTP_VERSION_1_0 && version != CURL_HTTP_VERSION_1_1) return;
    curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd == CURL_SOCKET_BAD || fd >= place_count || places[fd].is_wanted) return;
    set_idle(&places[fd], true);
    if (places[fd].events != EPOLLIN) watch(fd, EPOLLIN);
}

// libcurl would take what came on an idle connection for the next answer: it sees the end, and makes another one, when
// all of it was read away.
static void look_at_idle(curl_socket_t fd) {
    char waste[4096];
    if (recv(fd, waste, sizeof waste, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN) return;
    int blocks = 0;
    while (blocks < MAX_WASTE && recv(fd, waste, sizeof waste, MSG_DONTWAIT) > 0) blocks++;
    shutdown(fd, SHUT_RDWR);
    epoll_ctl(polled, EPOLL_CTL_DEL, fd, NULL);
    set_idle(&places[fd], false);
}

static void look_at_all_idle(void) {
    int left = idle_count;
    for (int fd = 0; fd < place_count && left > 0; fd++) {
        if (!places[fd].is_idle) continue;
        left--;
        look_at_idle(fd);
    }
}

static void end(struct pe_multi_member *member, CURLcode result) {
    take_out(member);
    on_done(member, result);
}

// What has ended is taken out, and whoever waits for it may ask again, before the next one ends: libcurl closes
// connections for which there are too few transfers. May call anything.
static void act(curl_socket_t fd, int events) {
    CURLMsg *message;
    int unused;
    curl_multi_socket_action(multi, fd, events, &unused);
    while ((message = curl_multi_info_read(multi, &unused))) {
        CURLcode result = message->data.result;
        struct pe_multi_member *member = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &member);
        if (!result) note_idle(member->easy);
        end(member, result);
    }
    rest();
    on_turn();
}

// Of a connection that is used again, and ends without an answer, libcurl asks again by another one.
static void take_events(void) {
    struct epoll_event events[MAX_EVENTS];
    int ready = epoll_wait(polled, events, MAX_EVENTS, 0);
    for (int i = 0; i < ready; i++) {
        curl_socket_t fd = events[i].data.fd;
        int found = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                    (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                    (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        if (places[fd].is_wanted) {
            if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) look_at_all_idle();
            act(fd, found);
        } else if (places[fd].is_idle) {
            look_at_idle(fd);
        } else {
            epoll_ctl(polled, EPOLL_CTL_DEL, fd, NULL); // until it is wanted again
        }
    }
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    (void)poll, (void)status, (void)events;
    take_events();
}

static void on_due(uv_timer_t *timer) {
    (void)timer;
    act(CURL_SOCKET_TIMEOUT, 0);
}

static void begin_all(void) {
    struct pe_multi_member *member;
    if (TAILQ_EMPTY(&waiting)) return;
    look_at_all_idle();
    while ((member = TAILQ_FIRST(&waiting))) {
        TAILQ_REMOVE(&waiting, member, next);
        member->is_waiting = false;
        if (curl_multi_add_handle(multi, member->easy)) end(member, CURLE_OUT_OF_MEMORY);
    }
}

static void on_idle(uv_idle_t *idle) {
    uv_idle_stop(idle);
    begin_all();
    act(CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_wanted(CURLM *unused, long milliseconds, void *context) {
    (void)unused, (void)context;
    if (!ticker) return 0;
    uv_timer_stop(&ticker->timer);
    if (TAILQ_EMPTY(&waiting)) uv_idle_stop(&ticker->at_once);
    if (milliseconds == 0) uv_idle_start(&ticker->at_once, on_idle);
    if (milliseconds > 0) uv_timer_start(&ticker->timer, on_due, (uint64_t)milliseconds, 0);
    return 0;
}

static int on_poll_wanted(CURL *easy, curl_socket_t fd, int what, void *context, void *unused) {
    struct place *place = find_place(fd);
    (void)easy, (void)context, (void)unused;
    if (!place) return 0;
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    bool is_as_before = place->is_wanted && place->events == events;
    place->is_wanted = what != CURL_POLL_REMOVE;
    if (!place->is_wanted || is_as_before) return 0;
    set_idle(place, false);
    watch(fd, events);
    return 0;
}

// A number that comes back without a word of its end is still wanted.
curl_socket_t pe_multi_on_connect(void *status, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->protocol);
    struct place *place = fd < 0 ? NULL : find_place(fd);
    if (!place) {
        *(int *)status = fd < 0 ? -errno : UV_ENOMEM;
        if (fd >= 0) close(fd);
        return CURL_SOCKET_BAD;
    }
    set_idle(place, false);
    if (place->is_wanted) watch(fd, place->events);
    return fd;
}

int pe_multi_on_disconnect(void *unused, curl_socket_t fd) {
    (void)unused;
    if (fd < place_count) {
        set_idle(&places[fd], false);
        places[fd] = (struct place){0};
    }
    return close(fd);
}

void pe_multi_open(uv_loop_t *on_loop, void (*when_done)(struct pe_multi_member *member, CURLcode result),
                   void (*at_turn)(void)) {
    loop = on_loop;
    on_done = when_done;
    on_turn = at_turn;
}

void pe_multi_close(void) {
    if (multi) curl_multi_cleanup(multi);
    if (polled >= 0) close(polled);
    free(places);
    multi = NULL;
    polled = -1;
    places = NULL;
    place_count = idle_count = 0;
}

// Two sockets with which libcurl wakes itself up would be inherited by programs. Several requests on one connection of
// HTTP/2 get into each other's way in 7.88: what one of them does not read is kept, 32 MB of it, and never freed.
static int make_multi(void) {
    if (polled < 0 && (polled = epoll_create1(EPOLL_CLOEXEC)) < 0) return -errno;
    if (!(multi = curl_multi_init())) return UV_ENOMEM;
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_poll_wanted);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return 0;
}

static int make_ticker(void) {
    if (!(ticker = calloc(1, sizeof *ticker))) return UV_ENOMEM;
    int status = uv_poll_init(loop, &ticker->poll, polled);
    if (status) {
        free(ticker);
        ticker = NULL;
        return status;
    }
    uv_timer_init(loop, &ticker->timer);
    uv_idle_init(loop, &ticker->at_once);
    ticker->poll.data = ticker->timer.data = ticker->at_once.data = ticker;
    uv_poll_start(&ticker->poll, UV_READABLE, on_ready);
    return 0;
}

// Those of one turn are begun together: their requests reach a server in one go, that would else be woken for each.
int pe_multi_add(struct pe_multi_member *member) {
    int status = multi ? 0 : make_multi();
    if (!status && !ticker) status = make_ticker();
    if (status) return status;
    count(1);
    curl_easy_setopt(member->easy, CURLOPT_PRIVATE, member);
    TAILQ_INSERT_TAIL(&waiting, member, next);
    member->is_waiting = true;
    uv_idle_start(&ticker->at_once, on_idle);
    return 0;
}
