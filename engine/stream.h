// SPDX-License-Identifier: MIT
/// Byte streams: a TCP connection, a Unix socket, a child's pipe. One task reads and one writes at a time. What Lua
/// users get is engine/stream.lua over this. Invariant: libuv reads only while a task does, so that what nobody reads
/// stays with the kernel, and its sender waits.
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
    ssize_t read_status; // bytes that came last; UV_EOF or an error is for ever
    union {
        uv_write_t write;
        uv_connect_t connect;
    } request;
    int write_status; // of the last write or connect
    int data;         // registry reference to what is being written; released when the kernel has it
    bool is_writing;  // a write or connect is under way
};

/// Pushes a new stream of AF_UNIX (any pipe), AF_INET or AF_INET6 (with a socket), or AF_UNSPEC (TCP, its socket
/// comes later), owned by the running task's scope. Returns 0 or a libuv status; the userdata is pushed in either case
/// and may then be forgotten.
int pe_stream_new(lua_State *L, int family, struct pe_stream **stream);

/// Begins to connect a new stream. Returns 0 or a libuv status; stream:flush() waits for the rest, and gives its
/// result.
int pe_stream_connect(struct pe_stream *stream, const struct sockaddr *address);

/// Pushes true for 0, or nil, the reason and its code: Lua says what could not be done. Returns how many values.
int pe_stream_push_status(lua_State *L, int status);

/// handle:address() of any handle over a socket, for method tables: host and port, or the path; or nil, message, code.
int pe_stream_l_address(lua_State *L);

/// Makes the class. May be called again.
void pe_stream_register(lua_State *L);
