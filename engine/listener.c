// SPDX-License-Identifier: MIT
// Listening TCP and Unix sockets. They are ours and libuv polls them, only while a task waits: a connection that nobody
// accepts stays in the kernel, and one that cannot be accepted costs no turns (libuv would close it).
#include "address.h"
#include "tcp.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct listener {
    struct pe_handle handle;
    uv_poll_t uv;
    struct pe_wait acceptor;
    int fd, family;
    struct sockaddr_un local; // of a Unix socket: its file
    struct stat file;         // as we made it, so that nobody else's is removed
    char label[sizeof((struct pe_stream *)0)->label];
};

static void remove_file(const struct listener *listener) {
    struct stat now;
    if (listener->family != AF_UNIX || lstat(listener->local.sun_path, &now)) return;
    if (now.st_ino == listener->file.st_ino && now.st_dev == listener->file.st_dev) unlink(listener->local.sun_path);
}

static void on_close(struct pe_handle *handle) {
    struct listener *listener = (struct listener *)handle;
    remove_file(listener);
    close(listener->fd);
    pe_task_wake_closed(&listener->acceptor);
}

static const struct pe_handle_class listener_class = {"listener", on_close, NULL, .outlives_lua = false};

static int bind_and_listen(struct listener *listener, const struct pe_tcp_options *options, int backlog) {
    struct sockaddr_storage address;
    struct sockaddr *any = (struct sockaddr *)&address;
    int on = 1, status = pe_tcp_make_address(options, &address);
    if (status) return status;
    listener->family = address.ss_family;
    listener->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0) return uv_translate_sys_error(errno);
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (options->path) listener->local = *(struct sockaddr_un *)&address;
    if (options->host && (status = pe_tcp_tune(options, listener->fd))) return status;
    socklen_t size = options->path ? sizeof listener->local : pe_address_size(any);
    if (bind(listener->fd, any, size) || listen(listener->fd, backlog)) return uv_translate_sys_error(errno);
    return options->path && lstat(options->path, &listener->file) ? uv_translate_sys_error(errno) : 0;
}

// Whether a socket file is there and nobody listens on it.
static bool is_stale(const struct sockaddr_un *local) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_refused = connect(fd, (const struct sockaddr *)local, sizeof *local) && errno == ECONNREFUSED;
    close(fd);
    return is_refused;
}

static int fail(lua_State *L, struct listener *listener, int status) {
    const char *reason = uv_strerror(status);
    if (listener->fd >= 0) close(listener->fd);
    if (status == UV_EADDRINUSE && listener->family == AF_UNIX && is_stale(&listener->local))
        reason = "a socket file is left there that nobody listens on: remove it";
    if (status == UV_EINVAL && !listener->family) reason = "expected an address like 0.0.0.0 or ::1";
    lua_pushnil(L);
    lua_pushfstring(L, "cannot listen on %s: %s", listener->label, reason);
    lua_pushstring(L, uv_err_name(status));
    return 3;
}

int pe_listener_l_listen(lua_State *L) {
    static const char *const names[] = {"host",    "port",      "path",         "backlog",
                                        "nodelay", "keepalive", "user_timeout", NULL};
    struct pe_tcp_options options;
    pe_vm_option_names(L, 1, names);
    pe_tcp_read_options(L, 1, "0.0.0.0", &options);
    double backlog = pe_vm_option_number(L, 1, "backlog", SOMAXCONN);
    if (backlog < 1 || backlog > 65535) luaL_error(L, "option \"backlog\": expected 1 to 65535, found %f", backlog);
    struct listener *listener = pe_handle_new(L, &listener_class, sizeof *listener);
    listener->fd = -1;
    snprintf(listener->label, sizeof listener->label, "%s", options.label);
    int status = bind_and_listen(listener, &options, (int)backlog);
    if (!status) status = uv_poll_init_socket(pe_vm_loop(), &listener->uv, listener->fd);
    if (status) return fail(L, listener, status);
    if (!pe_handle_open(&listener->handle, (uv_handle_t *)&listener->uv)) return pe_vm_refuse(L, "closed", "ECANCELED");
    return 1;
}

static void stop_polling(struct pe_wait *wait) {
    struct listener *listener = (struct listener *)((char *)wait - offsetof(struct listener, acceptor));
    uv_poll_stop(&listener->uv);
}

static int push_true(lua_State *L, void *unused) {
    (void)unused;
    lua_pushboolean(L, 1);
    return 1;
}

static void on_readable(uv_poll_t *uv, int status, int events) {
    struct listener *listener = uv->data;
    (void)status, (void)events;
    uv_poll_stop(uv);
    pe_task_finish(&listener->acceptor, push_true, NULL);
}

// Waits until there is a connection to take.
static int l_wait(lua_State *L) {
    struct listener *listener = pe_handle_self(L);
    if (listener->acceptor.task) luaL_error(L, "another task accepts on %s already", listener->label);
    if (listener->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    int status = uv_poll_start(&listener->uv, UV_READABLE, on_readable);
    if (status) return pe_vm_fail(L, status, "cannot accept on %s", listener->label);
    return pe_task_suspend(L, &listener->acceptor, stop_polling);
}

static int open_stream(struct pe_stream *stream, const struct listener *listener) {
    struct sockaddr_in6 peer = {0}; // its port is where that of a sockaddr_in is
    socklen_t size = sizeof peer;
    char host[PE_ADDRESS_TEXT];
    int fd = accept4(listener->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return uv_translate_sys_error(errno);
    int status = listener->family == AF_UNIX ? uv_pipe_open(&stream->uv.pipe, fd) : uv_tcp_open(&stream->uv.tcp, fd);
    if (status) return close(fd), status;
    if (listener->family == AF_UNIX) return 0;
    pe_address_print((struct sockaddr *)&peer, host);
    pe_tcp_print_label(stream->label, host, ntohs(peer.sin6_port));
    return 0;
}

// The stream of a connection that waits, or nil, message, code: "EAGAIN" without one.
static int l_take(lua_State *L) {
    struct listener *listener = pe_handle_self(L);
    struct pe_stream *stream;
    if (listener->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    int status = pe_stream_new(L, listener->family == AF_UNIX ? AF_UNIX : AF_UNSPEC, listener->label, &stream);
    if (!status) status = open_stream(stream, listener);
    if (!status) return 1;
    pe_handle_close(&stream->handle);
    return pe_vm_fail(L, status, "cannot accept on %s", listener->label);
}

static int l_address(lua_State *L) {
    struct listener *listener = pe_handle_self(L);
    if (listener->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    return pe_stream_push_end(L, listener->fd, getsockname);
}

static const luaL_Reg methods[] = {
    {"wait", l_wait}, {"take", l_take}, {"address", l_address}, {"close", pe_handle_l_close}, {NULL, NULL}};

void pe_listener_register(lua_State *L) {
    pe_handle_register(L, &listener_class, methods);
    luaL_getmetatable(L, listener_class.name);
    lua_getfield(L, -1, "__index");
    lua_remove(L, -2);
}
