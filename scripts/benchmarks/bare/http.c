// SPDX-License-Identifier: MIT
// The least that a client of libcurl's multi interface can do: asks for one URL again and again, with the same header
// fields as the engine, over connections that stay open. `bench-http URL COUNT IN_FLIGHT`; fails unless each answer has
// status 200 and a body.
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { MAX_EVENTS = 64 };

static int sockets; // epoll(7)
static CURLM *multi;
static long due = -1; // milliseconds until libcurl is to look at its timeouts; none below zero
static long asked, answered, right;

static void check(int status, const char *what, const char *text) {
    if (!status) return;
    fprintf(stderr, "bench-http: %s: %s\n", what, text);
    exit(1);
}

static size_t on_body(char *bytes, size_t unused, size_t count, void *argument) {
    (void)bytes, (void)unused;
    *(size_t *)argument += count;
    return count;
}

static int on_poll_wanted(CURL *easy, curl_socket_t fd, int what, void *unused, void *is_known) {
    struct epoll_event event = {.data.fd = fd};
    (void)easy, (void)unused;
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if (what == CURL_POLL_REMOVE) return epoll_ctl(sockets, EPOLL_CTL_DEL, fd, NULL);
    epoll_ctl(sockets, is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (!is_known) curl_multi_assign(multi, fd, &sockets);
    return 0;
}

static int on_timer_wanted(CURLM *unused, long milliseconds, void *context) {
    (void)unused, (void)context;
    due = milliseconds;
    return 0;
}

static void ask(CURL *easy) {
    asked++;
    check(curl_multi_add_handle(multi, easy), "curl_multi_add_handle", "failed");
}

static void start(const char *url, size_t *received) {
    CURL *easy = curl_easy_init();
    check(!easy, "curl_easy_init", "failed");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "bench-http");
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, received);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, received);
    ask(easy);
}

static void take_answer(const CURLMsg *message, long count) {
    CURL *easy = message->easy_handle;
    long status = 0;
    size_t *received = NULL;
    check(message->data.result, "a request", curl_easy_strerror(message->data.result));
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &received);
    answered++;
    right += status == 200 && *received > 0;
    *received = 0;
    curl_multi_remove_handle(multi, easy);
    if (asked < count)
        ask(easy);
    else
        curl_easy_cleanup(easy);
}

static void turn(long count) {
    struct epoll_event events[MAX_EVENTS];
    CURLMsg *message;
    int unused, ready = epoll_wait(sockets, events, MAX_EVENTS, (int)due);
    if (ready == 0 || due == 0) {
        due = -1;
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &unused);
    }
    for (int i = 0; i < ready; i++) {
        int found =
            (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
        if (events[i].events & (EPOLLERR | EPOLLHUP)) found |= CURL_CSELECT_ERR;
        curl_multi_socket_action(multi, events[i].data.fd, found, &unused);
    }
    while ((message = curl_multi_info_read(multi, &unused))) take_answer(message, count);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: bench-http URL COUNT IN_FLIGHT\n", stderr);
        return 64;
    }
    long count = atol(argv[2]), in_flight = atol(argv[3]);
    size_t *received = calloc((size_t)in_flight, sizeof *received);
    check(!received || curl_global_init(CURL_GLOBAL_DEFAULT) || !(multi = curl_multi_init()), "libcurl",
          "not enough memory");
    check((sockets = epoll_create1(EPOLL_CLOEXEC)) < 0, "epoll_create1", "failed");
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_poll_wanted);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    for (long i = 0; i < in_flight && i < count; i++) start(argv[1], &received[i]);
    while (answered < count) turn(count);
    curl_multi_cleanup(multi);
    curl_global_cleanup();
    free(received);
    if (right == count) return 0;
    fprintf(stderr, "bench-http: %ld of %ld were answered with status 200 and a body\n", right, count);
    return 1;
}
