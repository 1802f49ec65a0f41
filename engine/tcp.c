// SPDX-License-Identifier: MIT
// The C half of engine.tcp: connections to one address each, and listeners. These are sockets of ours that libuv polls,
// only while a task waits: a connection that nobody accepts stays in the kernel, and one that cannot be accepted costs
// no turns (libuv would close it).
#include "address.h"
#include "modules.h"
#include "stream.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct listener {
    struct pe_handle handle;
    uv_poll_t uv;
    int fd, family;
    struct stat file; // of a Unix socket, as we made it: nobody else's is removed
};

// What dial and listen begin with: an address literal and a port, or a path and nil. Returns 0 or a libuv status.
static int read_address(lua_State *L, struct sockaddr_storage *address) {
    struct sockaddr_un *local = (struct sockaddr_un *)address;
    const char *text = luaL_checkstring(L, 1);
    if (!lua_isnil(L, 2)) return pe_address_parse(text, luaL_checkint(L, 2), address);
    memset(address, 0, sizeof *address);
    if (strlen(text) >= sizeof local->sun_path) return UV_ENAMETOOLONG;
    local->sun_family = AF_UNIX;
    strcpy(local->sun_path, text);
    return 0;
}

// And what follows: whether small writes go at once, seconds of silence before a keepalive probe and between two,
// milliseconds without an acknowledgement. 0 leaves what the system does; all are 0 for a path.
static int tune(lua_State *L, int fd) {
    static const int names[] = {TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_USER_TIMEOUT};
    int keeps_alive = luaL_checkint(L, 4) > 0;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keeps_alive, sizeof keeps_alive);
    for (int i = 0; i < 4; i++) {
        int value = luaL_checkint(L, 3 + i);
        if (value && setsockopt(fd, IPPROTO_TCP, names[i], &value, sizeof value)) return uv_translate_sys_error(errno);
    }
    return 0;
}

static int connect_stream(lua_State *L, struct pe_stream *stream, const struct sockaddr *address) {
    uv_os_fd_t fd;
    if (address->sa_family == AF_UNIX) return pe_stream_connect(stream, address);
    int status = uv_fileno(stream->handle.uv, &fd);
    if (!status) status = tune(L, fd);
    return status ? status : pe_stream_connect(stream, address);
}

// dial(…) -> stream, still connecting: flush() waits for that.
static int l_dial(lua_State *L) {
    struct sockaddr_storage address;
    struct pe_stream *stream = NULL;
    int status = read_address(L, &address);
    if (!status) status = pe_stream_new(L, address.ss_family, &stream);
    if (!status) status = connect_stream(L, stream, (struct sockaddr *)&address);
    if (!status) return 1;
    if (stream) pe_handle_close(&stream->handle);
    return pe_stream_push_status(L, status);
}

static void remove_file(const struct listener *listener) {
    struct sockaddr_un local = {0};
    socklen_t size = sizeof local;
    struct stat now;
    if (listener->family != AF_UNIX) return;
    if (getsockname(listener->fd, (struct sockaddr *)&local, &size) || lstat(local.sun_path, &now)) return;
    if (now.st_ino == listener->file.st_ino && now.st_dev == listener->file.st_dev) unlink(local.sun_path);
}

static void on_close(struct pe_handle *handle) {
    struct listener *listener = (struct listener *)handle;
    remove_file(listener);
    close(listener->fd);
}

static const struct pe_handle_class listener_class = {.name = "listener", .on_close = on_close};

static int bind_and_listen(lua_State *L, struct listener *listener, const struct sockaddr *address) {
    const char *path = ((const struct sockaddr_un *)address)->sun_path;
    bool is_local = address->sa_family == AF_UNIX;
    int on = 1, status;
    listener->family = address->sa_family;
    listener->fd = socket(listener->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0) return uv_translate_sys_error(errno);
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if ((status = tune(L, listener->fd))) return status;
    socklen_t size = is_local ? sizeof(struct sockaddr_un) : pe_address_size(address);
    if (bind(listener->fd, address, size)) return uv_translate_sys_error(errno);
    if (is_local && lstat(path, &listener->file)) return uv_translate_sys_error(errno);
    return listen(listener->fd, luaL_checkint(L, 7)) ? uv_translate_sys_error(errno) : 0;
}

// listen(…, backlog) -> listener
static int l_listen(lua_State *L) {
    struct sockaddr_storage address;
    struct listener *listener = pe_handle_new(L, &listener_class, sizeof *listener);
    listener->fd = -1;
    int status = read_address(L, &address);
    if (!status) status = bind_and_listen(L, listener, (struct sockaddr *)&address);
    if (!status) status = uv_poll_init_socket(pe_vm_loop(), &listener->uv, listener->fd);
    if (status && listener->fd >= 0) on_close(&listener->handle);
    if (status) return pe_stream_push_status(L, status);
    if (!pe_handle_open(&listener->handle, (uv_handle_t *)&listener->uv)) return pe_vm_refuse(L, "closed", "ECANCELED");
    return 1;
}

static void stop_polling(struct pe_wait *wait) {
    uv_poll_stop(&((struct listener *)wait)->uv);
}

static int push_ready(lua_State *L, void *unused) {
    (void)unused;
    return pe_stream_push_status(L, 0);
}

static void on_readable(uv_poll_t *uv, int status, int events) {
    struct listener *listener = uv->data;
    (void)status, (void)events;
    uv_poll_stop(uv);
    pe_task_finish(&listener->handle.waiter, push_ready, NULL);
}

static int take(lua_State *L, const struct listener *listener) {
    bool is_local = listener->family == AF_UNIX;
    struct pe_stream *stream;
    int fd = -1, status = pe_stream_new(L, is_local ? AF_UNIX : AF_UNSPEC, &stream);
    if (!status && (fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
        status = uv_translate_sys_error(errno);
    if (!status) status = is_local ? uv_pipe_open(&stream->uv.pipe, fd) : uv_tcp_open(&stream->uv.tcp, fd);
    if (!status) return 1;
    if (fd >= 0) close(fd);
    pe_handle_close(&stream->handle);
    return pe_stream_push_status(L, status);
}

// accept(is_ready) -> stream, or nil, reason, "EAGAIN" without one. Not ready, it waits until it may be: true.
static int l_accept(lua_State *L) {
    struct listener *listener = pe_handle_self(L);
    if (listener->handle.waiter.task) return pe_stream_push_status(L, UV_EALREADY);
    if (listener->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (lua_toboolean(L, 2)) return take(L, listener);
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    int status = uv_poll_start(&listener->uv, UV_READABLE, on_readable);
    return status ? pe_stream_push_status(L, status) : pe_task_suspend(L, &listener->handle.waiter, stop_polling);
}

static const luaL_Reg methods[] = {
    {"accept", l_accept}, {"address", pe_stream_l_address}, {"close", pe_handle_l_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"dial", l_dial}, {"listen", l_listen}, {NULL, NULL}};

int luaopen_engine_tcp(lua_State *L) {
    pe_stream_register(L);
    pe_handle_register(L, &listener_class, methods);
    return pe_vm_module(L, functions, NULL);
}
