// SPDX-License-Identifier: MIT
// The C half of engine.tcp: connections to one address each. Names, several addresses and time limits are in tcp.lua.
#include "tcp.h"
#include "address.h"
#include "modules.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum { CONNECT_TIMEOUT = 5 }; // seconds

static const char *read_text(lua_State *L, int index, const char *name) {
    const char *text = pe_vm_option_string(L, index, name, NULL);
    pe_vm_option(L, index, name);
    if (text && (!*text || strlen(text) != lua_objlen(L, -1)))
        luaL_error(L, "option \"%s\": expected text without zero bytes, found %s", name, *text ? "some" : "\"\"");
    lua_pop(L, 1);
    return text;
}

static int read_count(lua_State *L, int index, const char *name, double least, double most) {
    double value = pe_vm_option_number(L, index, name, 0);
    bool is_absent = pe_vm_option(L, index, name) == LUA_TNIL;
    lua_pop(L, 1);
    if (!is_absent && (value < least || value > most || value != (double)(int)value))
        luaL_error(L, "option \"%s\": expected an integer from %d to %d, found %f", name, (int)least, (int)most, value);
    return (int)value;
}

void pe_tcp_read_options(lua_State *L, int index, const char *host, struct pe_tcp_options *options) {
    memset(options, 0, sizeof *options);
    options->path = read_text(L, index, "path");
    options->host = read_text(L, index, "host");
    options->port = read_count(L, index, "port", 0, 65535);
    options->keepalive = read_count(L, index, "keepalive", 1, 32767);
    options->user_timeout = 1000 * read_count(L, index, "user_timeout", 1, 86400);
    options->nodelay = pe_vm_option_boolean(L, index, "nodelay", true);
    if (options->path && options->host) luaL_error(L, "expected host and port, or path, found both");
    if (options->path) return (void)snprintf(options->label, sizeof options->label, "%s", options->path);
    if (!options->host) options->host = host;
    if (!options->host) luaL_error(L, "expected host and port, or path, found neither");
    pe_tcp_print_label(options->label, options->host, options->port);
}

void pe_tcp_print_label(char label[sizeof((struct pe_stream *)0)->label], const char *host, int port) {
    const char *format = strchr(host, ':') ? "[%.*s]:%d" : "%.*s:%d";
    snprintf(label, sizeof((struct pe_stream *)0)->label, format, 62, host, port);
}

int pe_tcp_make_address(const struct pe_tcp_options *options, struct sockaddr_storage *address) {
    struct sockaddr_un *local = (struct sockaddr_un *)address;
    if (options->host) return pe_address_parse(options->host, options->port, address);
    memset(address, 0, sizeof *address);
    if (!options->path) return UV_EINVAL;
    if (strlen(options->path) >= sizeof local->sun_path) return UV_ENAMETOOLONG;
    local->sun_family = AF_UNIX;
    strcpy(local->sun_path, options->path);
    return 0;
}

static int set(int fd, int level, int name, int value) {
    return value && setsockopt(fd, level, name, &value, sizeof value) ? uv_translate_sys_error(errno) : 0;
}

int pe_tcp_tune(const struct pe_tcp_options *options, int fd) {
    int idle = options->keepalive, interval = idle > 3 ? idle / 3 : idle, status;
    if ((status = set(fd, IPPROTO_TCP, TCP_NODELAY, options->nodelay))) return status;
    if ((status = set(fd, SOL_SOCKET, SO_KEEPALIVE, idle > 0))) return status;
    if ((status = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle))) return status;
    if ((status = set(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval))) return status;
    return set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options->user_timeout);
}

static const char *const names[] = {"host", "port", "path", "timeout", "nodelay", "keepalive", "user_timeout", NULL};

// describe(options) -> label, whether `dial` needs no name resolved, timeout. Checks all options of a connect.
static int l_describe(lua_State *L) {
    struct pe_tcp_options options;
    struct sockaddr_storage address;
    pe_vm_option_names(L, 1, names);
    pe_tcp_read_options(L, 1, NULL, &options);
    if (options.host && !options.port)
        luaL_error(L, "option \"port\": expected an integer from 1 to 65535, found none");
    double timeout = pe_vm_option_number(L, 1, "timeout", CONNECT_TIMEOUT);
    if (timeout <= 0) luaL_error(L, "option \"timeout\": expected seconds above 0, found %f", timeout);
    lua_pushstring(L, options.label);
    lua_pushboolean(L, options.path || pe_tcp_make_address(&options, &address) != UV_EINVAL);
    lua_pushnumber(L, pe_scope_timeout(pe_task_scope(), timeout));
    return 3;
}

static int connect_stream(struct pe_stream *stream, const struct pe_tcp_options *options,
                          const struct sockaddr_storage *address) {
    uv_os_fd_t fd;
    if (options->path) {
        pe_stream_begin_connect(stream);
        uv_pipe_connect(&stream->request.connect, &stream->uv.pipe, options->path, pe_stream_on_connect);
        return 0;
    }
    int status = uv_fileno(stream->handle.uv, &fd);
    if (!status) status = pe_tcp_tune(options, fd);
    if (status) return status;
    pe_stream_begin_connect(stream);
    return uv_tcp_connect(&stream->request.connect, &stream->uv.tcp, (const struct sockaddr *)address,
                          pe_stream_on_connect);
}

// dial(options, address?) -> stream, still connecting: flush() waits for that. `address` stands for the host's name.
static int l_dial(lua_State *L) {
    struct pe_tcp_options options;
    struct sockaddr_storage address;
    struct pe_stream *stream;
    pe_tcp_read_options(L, 1, NULL, &options);
    if (options.host) {
        options.host = luaL_optstring(L, 2, options.host);
        pe_tcp_print_label(options.label, options.host, options.port);
    }
    int status = pe_tcp_make_address(&options, &address);
    if (status) return pe_vm_fail(L, status, "cannot connect to %s", options.label);
    status = pe_stream_new(L, address.ss_family, options.label, &stream);
    if (!status) status = connect_stream(stream, &options, &address);
    if (!status) return 1;
    pe_handle_close(&stream->handle);
    return pe_vm_fail(L, status, "cannot connect to %s", options.label);
}

static const luaL_Reg functions[] = {
    {"describe", l_describe}, {"dial", l_dial}, {"listen", pe_listener_l_listen}, {NULL, NULL}};

int luaopen_engine_tcp(lua_State *L) {
    pe_stream_register(L);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    pe_listener_register(L);
    lua_setfield(L, -2, "listener");
    return 1;
}
