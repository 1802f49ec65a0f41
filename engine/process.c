// SPDX-License-Identifier: MIT
// The C half of engine.process. Invariant: each child is reaped, and what is left of its group killed when it has ended
// or when its process is closed, whichever comes first.
#include "modules.h"
#include "signal.h"
#include "stream.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GRACE = 2000 }; // milliseconds between TERM and KILL

struct process;

// What libuv has of it: lives until the child is reaped.
struct child {
    uv_process_t uv;
    struct process *process; // NULL once that is closed
};

struct process {
    struct pe_handle handle;
    uv_timer_t limit;
    struct child *child; // NULL once it has ended
    struct pe_wait waiter;
    double seconds; // the time limit
    int64_t code;
    int pid, signal;
    bool is_late, is_over;
};

static void on_close(struct pe_handle *handle) {
    struct process *process = (struct process *)handle;
    pe_task_wake_closed(&process->waiter);
    if (!process->child) return;
    process->child->process = NULL;
    process->child = NULL;
    kill(-process->pid, SIGKILL);
}

static const struct pe_handle_class process_class = {"process", on_close, NULL, .outlives_lua = false};

static int push_end(lua_State *L, void *operation) {
    struct process *process = operation;
    if (process->is_late) {
        char message[64];
        snprintf(message, sizeof message, "timed out after %.3g s", process->seconds);
        return pe_vm_refuse(L, message, "ETIMEDOUT");
    }
    lua_createtable(L, 0, 2);
    pe_signal_push(L, process->signal);
    lua_setfield(L, -2, "signal");
    if (process->signal) return 1;
    lua_pushnumber(L, (double)process->code);
    lua_setfield(L, -2, "code");
    return 1;
}

static void free_child(uv_handle_t *uv) {
    free(uv);
}

// As long as somebody of the group is left, its number is not given to another; if nobody is, nothing is killed.
static void on_child_exit(uv_process_t *uv, int64_t code, int signal) {
    struct process *process = ((struct child *)uv)->process;
    kill(-uv->pid, SIGKILL);
    uv_close((uv_handle_t *)uv, free_child);
    if (!process) return;
    process->child = NULL;
    process->is_over = true;
    process->code = code;
    process->signal = signal;
    pe_task_finish(&process->waiter, push_end, process);
    pe_handle_close(&process->handle);
}

static void on_limit(uv_timer_t *timer) {
    struct process *process = timer->data;
    kill(-process->pid, process->is_late ? SIGKILL : SIGTERM);
    if (!process->is_late) uv_timer_start(timer, on_limit, GRACE, 0);
    process->is_late = true;
}

// The list of strings at `index` as argv and environ are: owned by a userdata that it pushes, the strings by the list.
static char **read_list(lua_State *L, int index) {
    luaL_checktype(L, index, LUA_TTABLE);
    int count = (int)lua_objlen(L, index);
    char **list = lua_newuserdata(L, (size_t)(count + 1) * sizeof *list);
    for (int i = 0; i < count; i++, lua_pop(L, 1)) {
        lua_rawgeti(L, index, i + 1);
        if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "expected strings, found a %s", luaL_typename(L, -1));
        list[i] = (char *)lua_tostring(L, -1);
        if (strlen(list[i]) != lua_objlen(L, -1))
            luaL_error(L, "\"%s\" goes on with a zero byte: a program can be given none", list[i]);
    }
    list[count] = NULL;
    return list;
}

struct pipes {
    uv_stdio_container_t stdio[3];
    struct pe_stream *ours[3]; // NULL: no pipe
    int theirs[3];
};

// A pipe and not libuv's socket pair: a child may open /dev/stdout.
static int open_pipe(struct pipes *pipes, int which) {
    int ends[2], mine = which == 0, status = uv_pipe(ends, 0, 0);
    if (status) return status;
    pipes->theirs[which] = ends[!mine];
    pipes->stdio[which] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = ends[!mine]};
    status = uv_pipe_open(&pipes->ours[which]->uv.pipe, ends[mine]);
    if (status) close(ends[mine]);
    return status;
}

static void close_pipes(struct pipes *pipes, bool is_failed) {
    for (int i = 0; i < 3; i++) {
        if (pipes->theirs[i] >= 0) close(pipes->theirs[i]);
        if (is_failed && pipes->ours[i]) pe_handle_close(&pipes->ours[i]->handle);
    }
}

// Pushes three streams or nils: Lua memory first. Then opens the pipes.
static int open_pipes(lua_State *L, struct pipes *pipes, const bool wanted[3]) {
    static const char *const labels[] = {"standard input of a process", "standard output of a process",
                                         "standard error of a process"};
    int status = 0;
    for (int i = 0; i < 3; i++) {
        if (!wanted[i])
            lua_pushnil(L);
        else if (!status)
            status = pe_stream_new(L, AF_UNIX, labels[i], &pipes->ours[i]);
    }
    for (int i = 0; i < 3 && !status; i++)
        if (wanted[i]) status = open_pipe(pipes, i);
    return status;
}

static int start_child(struct process *process, const uv_process_options_t *options) {
    struct child *child = calloc(1, sizeof *child);
    if (!child) return UV_ENOMEM;
    int status = uv_spawn(pe_vm_loop(), &child->uv, options);
    if (status) return uv_close((uv_handle_t *)&child->uv, free_child), status;
    child->process = process;
    process->child = child;
    process->pid = child->uv.pid;
    return 0;
}

static int start(struct process *process, const uv_process_options_t *options, double limit) {
    uv_update_time(pe_vm_loop());
    uv_timer_init(pe_vm_loop(), &process->limit);
    if (!pe_handle_open(&process->handle, (uv_handle_t *)&process->limit)) return UV_ECANCELED;
    int status = start_child(process, options);
    if (status) return pe_handle_close(&process->handle), status;
    process->seconds = pe_scope_timeout(process->handle.scope, limit);
    if (isfinite(process->seconds)) uv_timer_start(&process->limit, on_limit, (uint64_t)(process->seconds * 1000), 0);
    return 0;
}

// spawn(arguments, environment, { cwd, timeout, stdin, stderr }) -> process, stdin or nil, stdout, stderr or nil, pid
static int l_spawn(lua_State *L) {
    struct pipes pipes = {.stdio[2] = {.flags = UV_INHERIT_FD, .data.fd = 2}, .theirs = {-1, -1, -1}};
    uv_process_options_t options = {
        .exit_cb = on_child_exit, .flags = UV_PROCESS_DETACHED, .stdio = pipes.stdio, .stdio_count = 3};
    bool wanted[] = {pe_vm_option_boolean(L, 3, "stdin", false), true, pe_vm_option_boolean(L, 3, "stderr", false)};
    double limit = pe_vm_option_number(L, 3, "timeout", INFINITY);
    options.cwd = pe_vm_option_string(L, 3, "cwd", NULL);
    options.args = read_list(L, 1);
    options.env = read_list(L, 2);
    options.file = options.args[0];
    struct process *process = pe_handle_new(L, &process_class, sizeof *process);
    int status = open_pipes(L, &pipes, wanted);
    if (!status) status = start(process, &options, limit);
    close_pipes(&pipes, status != 0);
    lua_pushinteger(L, process->pid);
    if (!status) return 5;
    if (options.cwd && access(options.cwd, X_OK))
        return pe_vm_fail(L, status, "cannot run %s in %s", options.file, options.cwd);
    return pe_vm_fail(L, status, "cannot run %s", options.file);
}

static int l_wait(lua_State *L) {
    struct process *process = pe_handle_self(L);
    if (process->waiter.task) luaL_error(L, "another task waits for process %d already", process->pid);
    if (process->is_over) return push_end(L, process);
    if (process->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    return pe_task_suspend(L, &process->waiter, NULL);
}

static int l_kill(lua_State *L) {
    struct process *process = pe_handle_self(L);
    int number = lua_isnoneornil(L, 2) ? SIGTERM : pe_signal_check(L, 2);
    if (!process->child) return pe_vm_refuse(L, "the process has ended", "ESRCH");
    if (kill(-process->pid, number))
        return pe_vm_fail(L, uv_translate_sys_error(errno), "cannot kill process %d", process->pid);
    lua_pushboolean(L, 1);
    return 1;
}

// environment() -> a table of the engine's own.
static int l_environment(lua_State *L) {
    lua_newtable(L);
    for (char **entry = environ; *entry; entry++) {
        size_t length = strcspn(*entry, "=");
        lua_pushlstring(L, *entry, length);
        lua_pushstring(L, *entry + length + ((*entry)[length] == '='));
        lua_rawset(L, -3);
    }
    return 1;
}

static int l_exit_now(lua_State *L) {
    _exit((int)luaL_checkinteger(L, 1));
}

static int l_is_terminal(lua_State *L) {
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

static const luaL_Reg methods[] = {{"wait", l_wait}, {"kill", l_kill}, {"close", pe_handle_l_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"spawn", l_spawn},       {"environment", l_environment}, {"on_signal", pe_signal_l_on},
    {"exit_now", l_exit_now}, {"is_terminal", l_is_terminal}, {NULL, NULL}};

int luaopen_engine_process(lua_State *L) {
    pe_stream_register(L);
    pe_signal_register(L);
    pe_handle_register(L, &process_class, methods);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
