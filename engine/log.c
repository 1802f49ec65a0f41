// SPDX-License-Identifier: MIT
// The log: the C half, which writes. The Lua half decides what is written, and how; what the core has to say goes there
// too.
#include "log.h"
#include "account.h"
#include "task.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};

// The Lua half. It runs in a coroutine and a protected call of its own: the core logs inside the door, and where the
// door has just closed upon an error.
static struct {
    lua_State *L;
    int function; // registry reference, like that of the coroutine never released
    bool is_running;
} listener = {.function = LUA_NOREF};

static uv_timer_t timer; // unreferenced: it keeps no loop alive

// Where messages go: standard error, or a description of our own of what that is, whose O_NONBLOCK nobody else has.
static struct {
    int fd;
    size_t most; // bytes that are written at once
} sink = {.fd = -1, .most = SIZE_MAX};

// A file would be written from its start.
static void open_sink(void) {
    struct stat found = {0};
    sink.fd = STDERR_FILENO;
    if (!fstat(STDERR_FILENO, &found) && S_ISREG(found.st_mode)) return;
    int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        sink.fd = fd;
    else
        sink.most = PIPE_BUF; // so much a pipe takes once poll(2) says that it takes any
}

static bool may_write(uint64_t end) {
    struct pollfd reader = {sink.fd, POLLOUT, 0};
    int ready;
    do {
        uint64_t now = uv_hrtime();
        ready = poll(&reader, 1, now < end ? (int)((end - now) / 1000000) : 0);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static ssize_t write_some(const char *bytes, size_t length) {
    ssize_t count = send(sink.fd, bytes, length, MSG_DONTWAIT);
    if (count >= 0 || errno != ENOTSOCK) return count;
    return write(sink.fd, bytes, length < sink.most ? length : sink.most);
}

// A log that is full or closed stops nobody: what it does not take in time is dropped. Returns whether it took all.
static bool put(const char *bytes, size_t length, uint64_t patience) {
    static bool is_torn; // what came last has no end: do not let this be its continuation
    uint64_t end = uv_hrtime() + patience;
    size_t done = 0;
    if (sink.fd < 0) open_sink();
    if (is_torn && (is_torn = !may_write(0) || write_some("\n", 1) != 1)) return false;
    while (done < length && may_write(end)) {
        ssize_t count = write_some(bytes + done, length - done);
        if (count > 0) is_torn = (done += (size_t)count) < length;
        if (count < 0 && errno != EINTR && (errno != EAGAIN || uv_hrtime() >= end)) break;
    }
    return done == length;
}

void pe_log_write_plainly(enum pe_log_level level, const char *source, const char *message) {
    char line[4096], *at = line;
    snprintf(line, sizeof line, "%-5s [%.64s] %s", level_names[level], source, message);
    for (; *at; at++)
        if (*at < ' ' || *at > '~') *at = '?';
    *at++ = '\n';
    put(line, (size_t)(at - line), 0);
}

static int call_listener(lua_State *L) {
    const char *const *words = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, listener.function);
    for (int i = 0; i < 4; i++) lua_pushstring(L, words[i]);
    lua_call(L, 4, 0);
    return 0;
}

// Tells the Lua half of a message: level, source, text, traceback; or only "wake" or "end".
static bool tell(const char *words[4]) {
    if (listener.function < 0 || listener.is_running) return false;
    listener.is_running = true;
    struct pe_account *account = pe_account_pause();
    int status = lua_cpcall(listener.L, call_listener, words);
    lua_settop(listener.L, 0);
    pe_account_go_on(account);
    listener.is_running = false;
    return status == 0;
}

void pe_log_write(enum pe_log_level level, const char *source, const char *message, const char *traceback) {
    const char *name = level_names[level];
    if (!tell((const char *[4]){name, source, message, traceback})) pe_log_write_plainly(level, source, message);
}

void pe_log_shut_down(void) {
    tell((const char *[4]){"end"});
    if (timer.loop) uv_close((uv_handle_t *)&timer, NULL);
}

static void on_wake(uv_timer_t *unused) {
    (void)unused;
    tell((const char *[4]){"wake"});
}

// wake_in(seconds): the listener, unless the process ends before; only the next of several.
static int l_wake_in(lua_State *L) {
    uint64_t delay = (uint64_t)(luaL_checknumber(L, 1) * 1000) + 1;
    if (!timer.loop && uv_timer_init(pe_vm_loop(), &timer)) return 0;
    if (uv_is_active((uv_handle_t *)&timer) && uv_timer_get_due_in(&timer) <= delay) return 0;
    uv_unref((uv_handle_t *)&timer);
    uv_timer_start(&timer, on_wake, delay, 0);
    return 0;
}

// listen(fn): once; `fn` gets what `tell` is given.
static int l_listen(lua_State *L) {
    listener.L = lua_newthread(L);
    luaL_ref(L, LUA_REGISTRYINDEX);
    lua_settop(L, 1);
    listener.function = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

// write(bytes, seconds) -> whether all were written in that time
static int l_write(lua_State *L) {
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    lua_pushboolean(L, put(bytes, length, (uint64_t)(luaL_checknumber(L, 2) * 1e9)));
    return 1;
}

// reader() -> is_terminal, device, inode: who reads standard error
static int l_reader(lua_State *L) {
    struct stat found = {0};
    fstat(STDERR_FILENO, &found);
    lua_pushboolean(L, isatty(STDERR_FILENO));
    lua_pushnumber(L, (double)found.st_dev);
    lua_pushnumber(L, (double)found.st_ino);
    return 3;
}

// label() -> of the running task's scope
static int l_label(lua_State *L) {
    lua_pushstring(L, pe_scope_label(pe_task_scope()));
    return 1;
}

static const luaL_Reg functions[] = {{"write", l_write},   {"reader", l_reader},   {"label", l_label},
                                     {"listen", l_listen}, {"wake_in", l_wake_in}, {NULL, NULL}};

int luaopen_engine_log(lua_State *L) {
    return pe_vm_module(L, functions, NULL);
}
