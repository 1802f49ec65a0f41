// SPDX-License-Identifier: MIT
// The multi handle: a uv_poll for each socket that libcurl waits for, one timer for its time limits.
// Invariant: a socket's poll is closed before the socket is, since its number may come back at once.
#include "multi.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_IDLE = 16 }; // connections that are kept while there is no transfer

struct socket {
    uv_poll_t poll; // first: on_socket_closed frees it
    curl_socket_t fd;
    int events;     // that are polled for
    bool is_wanted; // by libcurl
    LIST_ENTRY(socket) sibling;
};

// A connection is polled on between two requests: to stop and to start that would cost more than its rare events. Other
// sockets of libcurl's are closed without a word, and so given up at once.
struct place {
    struct socket *socket;
    bool is_connection;
};

// What is due at once is done in the loop's next turn: a timer of zero would run again and again in the same one.
struct ticker {
    uv_timer_t timer;
    uv_idle_t at_once;
    int closed;
};

static uv_loop_t *loop;
static void (*on_done)(void *transfer, CURLcode result);
static void (*on_turn)(void);
static CURLM *multi;
static struct ticker *ticker; // while there are transfers
static int transfers, connections;
static struct place *places; // by descriptor
static int place_count;
static LIST_HEAD(, socket) sockets = LIST_HEAD_INITIALIZER(sockets);

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

static void on_socket_closed(uv_handle_t *uv) {
    free(uv);
}

static void close_socket(struct socket *socket) {
    places[socket->fd].socket = NULL;
    LIST_REMOVE(socket, sibling);
    uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
}

static void on_ticker_closed(uv_handle_t *uv) {
    struct ticker *closed = uv->data;
    if (++closed->closed == 2) free(closed);
}

static void close_connections(void) {
    curl_multi_cleanup(multi);
    multi = NULL;
}

// After the last transfer nothing is left on the loop. libcurl keeps as many connections as there once were transfers.
static void rest(void) {
    struct socket *socket;
    if (transfers || !ticker) return;
    while ((socket = LIST_FIRST(&sockets))) close_socket(socket);
    uv_close((uv_handle_t *)&ticker->timer, on_ticker_closed);
    uv_close((uv_handle_t *)&ticker->at_once, on_ticker_closed);
    ticker = NULL;
    if (connections > MAX_IDLE) close_connections();
}

static void take_out(CURL *easy) {
    curl_multi_remove_handle(multi, easy);
    transfers--;
}

void pe_multi_remove(CURL *easy) {
    take_out(easy);
    rest();
}

static void act(curl_socket_t fd, int events) {
    CURLMsg *message;
    int unused;
    curl_multi_socket_action(multi, fd, events, &unused);
    while ((message = curl_multi_info_read(multi, &unused))) {
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        void *transfer = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
        take_out(easy);
        on_done(transfer, result);
    }
    rest();
    on_turn();
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct socket *socket = (struct socket *)poll;
    if (status < 0) socket->events = 0; // libuv has stopped
    int found = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    if (socket->is_wanted)
        act(socket->fd, status < 0 ? CURL_CSELECT_ERR : found);
    else
        close_socket(socket);
}

static void on_due(uv_timer_t *timer) {
    (void)timer;
    act(CURL_SOCKET_TIMEOUT, 0);
}

static void on_idle(uv_idle_t *idle) {
    uv_idle_stop(idle);
    act(CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_wanted(CURLM *unused, long milliseconds, void *context) {
    (void)unused, (void)context;
    if (!ticker) return 0;
    uv_timer_stop(&ticker->timer);
    uv_idle_stop(&ticker->at_once);
    if (milliseconds == 0) uv_idle_start(&ticker->at_once, on_idle);
    if (milliseconds > 0) uv_timer_start(&ticker->timer, on_due, (uint64_t)milliseconds, 0);
    return 0;
}

static struct socket *open_socket(curl_socket_t fd) {
    struct socket *socket = calloc(1, sizeof *socket);
    if (!socket || uv_poll_init(loop, &socket->poll, fd)) {
        free(socket);
        return NULL; // its transfers time out
    }
    socket->fd = fd;
    places[fd].socket = socket;
    LIST_INSERT_HEAD(&sockets, socket, sibling);
    return socket;
}

static int on_poll_wanted(CURL *easy, curl_socket_t fd, int what, void *context, void *unused) {
    struct place *place = find_place(fd);
    struct socket *socket = place ? place->socket : NULL;
    (void)easy, (void)context, (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (socket) socket->is_wanted = false;
        if (socket && !place->is_connection) close_socket(socket);
        return 0;
    }
    if (!ticker || !place || (!socket && !(socket = open_socket(fd)))) return 0;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    socket->is_wanted = true;
    if (events != socket->events) uv_poll_start(&socket->poll, events, on_ready); // which begins with a stop
    socket->events = events;
    return 0;
}

curl_socket_t pe_multi_on_connect(void *status, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->protocol);
    struct place *place = fd < 0 ? NULL : find_place(fd);
    if (!place) {
        *(int *)status = fd < 0 ? -errno : UV_ENOMEM;
        if (fd >= 0) close(fd);
        return CURL_SOCKET_BAD;
    }
    place->is_connection = true;
    connections++;
    return fd;
}

int pe_multi_on_disconnect(void *unused, curl_socket_t fd) {
    struct place *place = places + fd;
    (void)unused;
    if (place->socket) close_socket(place->socket);
    place->is_connection = false;
    connections--;
    return close(fd);
}

void pe_multi_open(uv_loop_t *on_loop, void (*when_done)(void *transfer, CURLcode result), void (*at_turn)(void)) {
    loop = on_loop;
    on_done = when_done;
    on_turn = at_turn;
}

void pe_multi_close(void) {
    if (multi) close_connections();
    free(places);
    places = NULL;
    place_count = 0;
}

// Returns whether both are there.
static bool prepare(void) {
    if (!multi && (multi = curl_multi_init())) {
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_poll_wanted);
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    }
    if (!multi || ticker) return multi && ticker;
    if (!(ticker = calloc(1, sizeof *ticker))) return false;
    uv_timer_init(loop, &ticker->timer);
    uv_idle_init(loop, &ticker->at_once);
    ticker->timer.data = ticker->at_once.data = ticker;
    return true;
}

int pe_multi_add(CURL *easy) {
    if (!prepare()) return UV_ENOMEM;
    transfers++;
    if (!curl_multi_add_handle(multi, easy)) return 0;
    transfers--;
    rest();
    return UV_ENOMEM;
}
