// SPDX-License-Identifier: MIT
// Reading into one shared buffer, from which a waiting task is served without a copy; writing at once where possible.
#include "stream.h"
#include "address.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    HOLD = 64 * 1024,           // bytes read in one go, and held for a reader who does not come
    MAX_READ = 1 << 30,         // bytes that one read may ask for
    UNYIELDED_MAX = 1024 * 1024 // bytes that a writer whose peer keeps up may write before the loop has a turn
};

// libuv fills it and calls on_read before anything else may use it.
static char scratch[HOLD];

struct chunk {
    const char *bytes;
    size_t count;
};

static void on_close(struct pe_handle *handle) {
    struct pe_stream *stream = (struct pe_stream *)handle;
    pe_task_wake_closed(&stream->reader);
    pe_task_wake_closed(&stream->writer);
}

static void on_free(struct pe_handle *handle) {
    free(((struct pe_stream *)handle)->held);
}

static const struct pe_handle_class stream_class = {"stream", on_close, on_free, .outlives_lua = false};

int pe_stream_new(lua_State *L, int family, const char *label, struct pe_stream **result) {
    struct pe_stream *stream = *result = pe_handle_new(L, &stream_class, sizeof *stream);
    snprintf(stream->label, sizeof stream->label, "%s", label);
    stream->data = LUA_NOREF;
    stream->is_connected = true;
    int status = family == AF_UNIX ? uv_pipe_init(pe_vm_loop(), &stream->uv.pipe, 0)
                                   : uv_tcp_init_ex(pe_vm_loop(), &stream->uv.tcp, (unsigned)family);
    if (status) return status;
    return pe_handle_open(&stream->handle, (uv_handle_t *)&stream->uv) ? 0 : UV_ECANCELED;
}

void pe_stream_begin_connect(struct pe_stream *stream) {
    stream->is_connected = false;
    stream->is_writing = true;
}

static int push_written(lua_State *L, void *operation) {
    struct pe_stream *stream = operation;
    if (stream->write_status)
        return pe_vm_fail(L, stream->write_status, "cannot %s %s", stream->is_connected ? "write to" : "connect to",
                          stream->label);
    lua_pushboolean(L, 1);
    return 1;
}

static void end_writing(struct pe_stream *stream, int status) {
    stream->is_writing = false;
    stream->write_status = status;
    pe_vm_unref(stream->data);
    stream->data = LUA_NOREF;
    pe_task_finish(&stream->writer, push_written, stream);
}

void pe_stream_on_connect(uv_connect_t *request, int status) {
    struct pe_stream *stream = request->handle->data;
    stream->is_connected = status == 0;
    end_writing(stream, status);
}

static void on_written(uv_write_t *request, int status) {
    end_writing(request->handle->data, status);
}

static void hold_nothing(struct pe_stream *stream) {
    free(stream->held);
    stream->held = NULL;
    stream->start = stream->capacity = 0;
}

static int push_read(lua_State *L, void *operation) {
    struct pe_stream *stream = operation;
    size_t count = stream->wanted ? stream->wanted : stream->length;
    if (count && stream->length >= count) {
        lua_pushlstring(L, stream->held + stream->start, count);
        stream->start += count;
        stream->length -= count;
        if (!stream->length) hold_nothing(stream);
        return 1;
    }
    if (stream->read_status == UV_EOF) return pe_vm_refuse(L, "eof", "EOF");
    return pe_vm_fail(L, stream->read_status, "cannot read from %s", stream->label);
}

static int push_chunk(lua_State *L, void *operation) {
    struct chunk *chunk = operation;
    lua_pushlstring(L, chunk->bytes, chunk->count);
    return 1;
}

// Makes room for `count` more bytes behind those that are held.
static bool reserve(struct pe_stream *stream, size_t count) {
    size_t needed = stream->length + count, capacity = stream->capacity ? stream->capacity : 1024;
    if (stream->start) memmove(stream->held, stream->held + stream->start, stream->length);
    stream->start = 0;
    while (capacity < needed) capacity *= 2;
    if (capacity == stream->capacity) return true;
    char *held = realloc(stream->held, capacity);
    if (!held) return false;
    stream->held = held;
    stream->capacity = capacity;
    return true;
}

static void on_alloc(uv_handle_t *uv, size_t suggested, uv_buf_t *buffer) {
    struct pe_stream *stream = uv->data;
    (void)suggested;
    *buffer = uv_buf_init(scratch, stream->reader.task ? HOLD : HOLD - stream->length);
}

static bool is_readable(const struct pe_stream *stream) {
    return stream->read_status || (stream->length && stream->length >= stream->wanted);
}

static void on_read(uv_stream_t *uv, ssize_t count, const uv_buf_t *buffer) {
    struct pe_stream *stream = uv->data;
    if (count == 0) return;
    if (count > 0 && stream->reader.task && !stream->wanted) {
        struct chunk chunk = {buffer->base, (size_t)count};
        return pe_task_finish(&stream->reader, push_chunk, &chunk);
    }
    if (count > 0 && !reserve(stream, (size_t)count)) count = UV_ENOMEM;
    if (count > 0) {
        memcpy(stream->held + stream->length, buffer->base, (size_t)count);
        stream->length += (size_t)count;
    } else {
        stream->read_status = (int)count;
    }
    if (is_readable(stream)) pe_task_finish(&stream->reader, push_read, stream);
    if (stream->handle.closed) return;
    if (stream->read_status || (!stream->reader.task && stream->length >= HOLD)) uv_read_stop(uv);
}

static void stop_reading(struct pe_wait *wait) {
    struct pe_stream *stream = (struct pe_stream *)((char *)wait - offsetof(struct pe_stream, reader));
    uv_read_stop(&stream->uv.stream);
}

static int l_read(lua_State *L) {
    struct pe_stream *stream = pe_handle_self(L);
    double wanted = luaL_optnumber(L, 2, 0);
    if (!lua_isnoneornil(L, 2))
        luaL_argcheck(L, wanted >= 1 && wanted <= MAX_READ && wanted == (double)(size_t)wanted, 2,
                      "expected a count of bytes from 1 to 2^30");
    if (stream->reader.task) luaL_error(L, "another task reads from %s already", stream->label);
    if (stream->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    stream->wanted = (size_t)wanted;
    if (is_readable(stream)) return push_read(L, stream);
    int status = uv_read_start(&stream->uv.stream, on_alloc, on_read);
    if (status && status != UV_EALREADY) return pe_vm_fail(L, status, "cannot read from %s", stream->label);
    return pe_task_suspend(L, &stream->reader, stop_reading);
}

static struct pe_stream *check_writer(lua_State *L) {
    struct pe_stream *stream = pe_handle_self(L);
    if (stream->writer.task) luaL_error(L, "another task writes to %s already", stream->label);
    return stream;
}

// Why nothing can be written now: 0, or that many values.
static int refuse_writing(lua_State *L, struct pe_stream *stream) {
    if (stream->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (!stream->is_writing) return 0;
    return pe_vm_refuse(L, "an earlier write that was given up is still under way: flush() waits for it", "EBUSY");
}

static int l_write(lua_State *L) {
    struct pe_stream *stream = check_writer(L);
    size_t length;
    const char *data = luaL_checklstring(L, 2, &length);
    int refused = refuse_writing(L, stream), taken = 0;
    if (refused) return refused;
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    uv_buf_t buffer = uv_buf_init((char *)data, (unsigned)length);
    if (stream->unyielded < UNYIELDED_MAX) taken = uv_try_write(&stream->uv.stream, &buffer, 1);
    if (taken == UV_EAGAIN) taken = 0;
    stream->write_status = taken < 0 ? taken : 0;
    if (taken < 0 || taken == (int)length) {
        stream->unyielded += length;
        return push_written(L, stream);
    }
    buffer = uv_buf_init((char *)data + taken, (unsigned)(length - (size_t)taken));
    lua_pushvalue(L, 2);
    stream->data = luaL_ref(L, LUA_REGISTRYINDEX);
    stream->write_status = uv_write(&stream->request.write, &stream->uv.stream, &buffer, 1, on_written);
    if (stream->write_status) return push_written(L, stream);
    stream->is_writing = true;
    stream->unyielded = 0;
    return pe_task_suspend(L, &stream->writer, NULL);
}

static int l_flush(lua_State *L) {
    struct pe_stream *stream = check_writer(L);
    if (stream->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    return stream->is_writing ? pe_task_suspend(L, &stream->writer, NULL) : push_written(L, stream);
}

static int l_shutdown(lua_State *L) {
    struct pe_stream *stream = check_writer(L);
    int refused = refuse_writing(L, stream);
    uv_os_fd_t fd;
    if (refused) return refused;
    int status = uv_fileno(stream->handle.uv, &fd);
    if (!status && shutdown(fd, SHUT_WR)) status = uv_translate_sys_error(errno);
    if (status) return pe_vm_fail(L, status, "cannot shut down the writing side to %s", stream->label);
    lua_pushboolean(L, 1);
    return 1;
}

int pe_stream_push_end(lua_State *L, int fd, pe_stream_end get) {
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_storage largest;
    } address = {0};
    socklen_t size = sizeof address;
    if (get(fd, &address.any, &size)) return pe_vm_fail(L, uv_translate_sys_error(errno), "no address");
    if (address.any.sa_family != AF_UNIX) return pe_address_push(L, &address.any);
    lua_pushstring(L, address.local.sun_path);
    return 1;
}

static int push_end(lua_State *L, pe_stream_end get) {
    struct pe_stream *stream = pe_handle_self(L);
    uv_os_fd_t fd;
    if (stream->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    int status = uv_fileno(stream->handle.uv, &fd);
    return status ? pe_vm_fail(L, status, "no address of %s", stream->label) : pe_stream_push_end(L, fd, get);
}

static int l_address(lua_State *L) {
    return push_end(L, getsockname);
}

static int l_peer(lua_State *L) {
    return push_end(L, getpeername);
}

static const luaL_Reg methods[] = {
    {"read", l_read},       {"write", l_write}, {"flush", l_flush},           {"shutdown", l_shutdown},
    {"address", l_address}, {"peer", l_peer},   {"close", pe_handle_l_close}, {NULL, NULL}};

void pe_stream_register(lua_State *L) {
    pe_handle_register(L, &stream_class, methods);
}
