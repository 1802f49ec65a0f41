// SPDX-License-Identifier: MIT
/// What connecting and listening share: the options of a TCP or Unix socket.
#pragma once

#include "stream.h"

struct pe_tcp_options {
    const char *host, *path; // one of them; owned by the options table
    int port;
    bool nodelay;
    int keepalive;    // seconds; 0: off
    int user_timeout; // milliseconds; 0: the system's
    char label[sizeof((struct pe_stream *)0)->label];
};

/// Reads the options table at `index`. `host` stands for a missing one and may be NULL: then it, or a path, must be
/// there. Raises for a wrong one.
void pe_tcp_read_options(lua_State *L, int index, const char *host, struct pe_tcp_options *options);

/// Writes "10.0.0.1:9000" or "[::1]:9000", cut to fit.
void pe_tcp_print_label(char label[sizeof((struct pe_stream *)0)->label], const char *host, int port);

/// Makes the socket address, of a host that must be a literal or of a path. Returns 0 or a libuv status.
int pe_tcp_make_address(const struct pe_tcp_options *options, struct sockaddr_storage *address);

/// Sets the options on a TCP socket. Returns 0 or a libuv status.
int pe_tcp_tune(const struct pe_tcp_options *options, int fd);

/// listen{…}, and the class of listeners; for the module table. Registered once.
int pe_listener_l_listen(lua_State *L);
void pe_listener_register(lua_State *L);
