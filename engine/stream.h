// SPDX-License-Identifier: MIT
/// Byte streams: a TCP connection, a Unix socket, a child's pipe. One task reads and one writes at a time.
/// Invariant: at most 64 kB are held that nobody asked for; the kernel then holds the sender up.
#pragma once

#include "handle.h"
#include "task.h"

struct pe_stream {
    struct pe_handle handle;
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct pe_wait reader, writer;
    char *held; // came and was not read yet: `length` bytes from `start` on
    size_t start, length, capacity;
    size_t wanted;   // bytes that the reader asks for; 0: whatever comes
    int read_status; // 0, UV_EOF, or the error that ended reading
    union {
        uv_write_t write;
        uv_connect_t connect;
    } request;
    int write_status;  // of the last write or connect
    int data;          // registry reference to what is being written; released when the kernel has it, or at the close
    size_t unyielded;  // bytes written since the writer last waited
    bool is_connected; // false until the first connect succeeded
    bool is_writing;   // a write or connect is under way
    char label[72];    // whom it connects, for messages: "10.0.0.1:9000"
};

/// Pushes a new stream of AF_UNIX (any pipe), AF_INET or AF_INET6 (with a socket), or AF_UNSPEC (TCP, its socket
/// comes later), owned by the running task's scope; `label` is copied. Returns 0 or a libuv status; the userdata is
/// pushed in either case and may then be forgotten.
int pe_stream_new(lua_State *L, int family, const char *label, struct pe_stream **stream);

/// Right before a connect is begun with `request.connect`: writers wait until it has ended.
void pe_stream_begin_connect(struct pe_stream *stream);

/// What libuv is to call when that connect has ended; stream:flush() gives its result.
void pe_stream_on_connect(uv_connect_t *request, int status);

/// getsockname or getpeername.
typedef int (*pe_stream_end)(int fd, struct sockaddr *address, socklen_t *size);

/// Pushes one end of a socket: host and port, or the path; or nil, message, code. Returns how many values.
int pe_stream_push_end(lua_State *L, int fd, pe_stream_end get);

/// Makes the class. May be called again.
void pe_stream_register(lua_State *L);
