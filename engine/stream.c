// SPDX-License-Identifier: MIT
// The C half of engine.stream: it reads whatever has come, and writes one string at a time.
#include "stream.h"
#include "address.h"
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

// Filled by libuv, and handed over before anything else may use it.
static char chunk[64 * 1024];

static void on_close(struct pe_handle *handle) {
    struct pe_stream *stream = (struct pe_stream *)handle;
    pe_task_wake_closed(&stream->reader);
    pe_task_wake_closed(&stream->writer);
}

static const struct pe_handle_class stream_class = {.name = "stream", .on_close = on_close};

int pe_stream_new(lua_State *L, int family, struct pe_stream **result) {
    struct pe_stream *stream = *result = pe_handle_new(L, &stream_class, sizeof *stream);
    stream->data = LUA_NOREF;
    int status = family == AF_UNIX ? uv_pipe_init(pe_vm_loop(), &stream->uv.pipe, 0)
                                   : uv_tcp_init_ex(pe_vm_loop(), &stream->uv.tcp, (unsigned)family);
    if (status) return status;
    return pe_handle_open(&stream->handle, (uv_handle_t *)&stream->uv) ? 0 : UV_ECANCELED;
}

int pe_stream_push_status(lua_State *L, int status) {
    if (status) return pe_vm_refuse(L, uv_strerror(status), uv_err_name(status));
    lua_pushboolean(L, 1);
    return 1;
}

static int push_written(lua_State *L, void *operation) {
    return pe_stream_push_status(L, ((struct pe_stream *)operation)->write_status);
}

static void end_writing(struct pe_stream *stream, int status) {
    stream->is_writing = false;
    stream->write_status = status;
    pe_vm_unref(stream->data);
    stream->data = LUA_NOREF;
    pe_task_finish(&stream->writer, push_written, stream);
}

static void on_written(uv_write_t *request, int status) {
    end_writing(request->handle->data, status);
}

static void on_connect(uv_connect_t *request, int status) {
    end_writing(request->handle->data, status);
}

int pe_stream_connect(struct pe_stream *stream, const struct sockaddr *address) {
    const struct sockaddr_un *local = (const struct sockaddr_un *)address;
    int status = 0;
    if (address->sa_family == AF_UNIX)
        uv_pipe_connect(&stream->request.connect, &stream->uv.pipe, local->sun_path, on_connect);
    else
        status = uv_tcp_connect(&stream->request.connect, &stream->uv.tcp, address, on_connect);
    stream->is_writing = status == 0;
    return status;
}

// Why the place of one reader or writer cannot be taken: 0, or that many values.
static int refuse(lua_State *L, const struct pe_stream *stream, const struct pe_wait *place) {
    if (place->task) return pe_stream_push_status(L, UV_EALREADY);
    return stream->handle.closed ? pe_vm_refuse(L, "closed", "ECANCELED") : 0;
}

static int push_read(lua_State *L, void *operation) {
    const struct pe_stream *stream = operation;
    if (stream->read_status == UV_EOF) return pe_vm_refuse(L, "eof", "EOF");
    if (stream->read_status < 0) return pe_stream_push_status(L, (int)stream->read_status);
    lua_pushlstring(L, chunk, (size_t)stream->read_status);
    return 1;
}

static void on_alloc(uv_handle_t *uv, size_t suggested, uv_buf_t *buffer) {
    (void)uv, (void)suggested;
    *buffer = uv_buf_init(chunk, sizeof chunk);
}

static void on_read(uv_stream_t *uv, ssize_t count, const uv_buf_t *buffer) {
    struct pe_stream *stream = uv->data;
    (void)buffer;
    if (count == 0) return;
    stream->read_status = count;
    pe_task_finish(&stream->reader, push_read, stream);
    if (!stream->handle.closed && !stream->reader.task) uv_read_stop(uv);
}

static void stop_reading(struct pe_wait *wait) {
    struct pe_stream *stream = (struct pe_stream *)((char *)wait - offsetof(struct pe_stream, reader));
    uv_read_stop(&stream->uv.stream);
}

// read(is_question) -> data; a question is only whether a read may begin now: true, or what refuses it.
static int l_read(lua_State *L) {
    struct pe_stream *stream = pe_handle_self(L);
    int refused = refuse(L, stream, &stream->reader);
    if (refused) return refused;
    if (lua_toboolean(L, 2)) return pe_stream_push_status(L, 0);
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    if (stream->read_status < 0) return push_read(L, stream);
    int status = uv_read_start(&stream->uv.stream, on_alloc, on_read);
    if (status && status != UV_EALREADY) return pe_stream_push_status(L, status);
    return pe_task_suspend(L, &stream->reader, stop_reading);
}

static int l_write(lua_State *L) {
    struct pe_stream *stream = pe_handle_self(L);
    size_t length;
    const char *data = luaL_checklstring(L, 2, &length);
    int refused = refuse(L, stream, &stream->writer);
    if (refused) return refused;
    if (stream->is_writing) return pe_stream_push_status(L, UV_EBUSY);
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    uv_buf_t buffer = uv_buf_init((char *)data, (unsigned)length);
    lua_settop(L, 2);
    stream->data = luaL_ref(L, LUA_REGISTRYINDEX);
    int status = uv_write(&stream->request.write, &stream->uv.stream, &buffer, 1, on_written);
    if (status) return end_writing(stream, status), pe_stream_push_status(L, status);
    stream->is_writing = true;
    return pe_task_suspend(L, &stream->writer, NULL);
}

static int l_flush(lua_State *L) {
    struct pe_stream *stream = pe_handle_self(L);
    int refused = refuse(L, stream, &stream->writer);
    if (refused) return refused;
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    return stream->is_writing ? pe_task_suspend(L, &stream->writer, NULL) : push_written(L, stream);
}

static int l_shutdown(lua_State *L) {
    struct pe_stream *stream = pe_handle_self(L);
    int refused = refuse(L, stream, &stream->writer);
    uv_os_fd_t fd;
    if (refused) return refused;
    if (stream->is_writing) return pe_stream_push_status(L, UV_EBUSY);
    int status = uv_fileno(stream->handle.uv, &fd);
    if (!status && shutdown(fd, SHUT_WR)) status = uv_translate_sys_error(errno);
    return pe_stream_push_status(L, status);
}

static int push_end(lua_State *L, int (*get)(int fd, struct sockaddr *address, socklen_t *size)) {
    const struct pe_handle *handle = pe_handle_self(L);
    struct sockaddr_storage address = {0};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t size = sizeof address;
    uv_os_fd_t fd;
    if (handle->closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    int status = uv_fileno(handle->uv, &fd);
    if (!status && get(fd, any, &size)) status = uv_translate_sys_error(errno);
    if (status) return pe_stream_push_status(L, status);
    if (any->sa_family != AF_UNIX) return pe_address_push(L, any);
    lua_pushstring(L, ((const struct sockaddr_un *)any)->sun_path);
    return 1;
}

int pe_stream_l_address(lua_State *L) {
    return push_end(L, getsockname);
}

static int l_peer(lua_State *L) {
    return push_end(L, getpeername);
}

static const luaL_Reg methods[] = {{"read", l_read},
                                   {"write", l_write},
                                   {"flush", l_flush},
                                   {"shutdown", l_shutdown},
                                   {"address", pe_stream_l_address},
                                   {"peer", l_peer},
                                   {"close", pe_handle_l_close},
                                   {NULL, NULL}};

void pe_stream_register(lua_State *L) {
    pe_handle_register(L, &stream_class, methods);
}
