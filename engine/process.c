// SPDX-License-Identifier: MIT
// The C half of engine.process, and of its signals. Invariant: each child is reaped, and what is left of its group
// killed when it has ended or when its process is closed, whichever comes first.
#include "process.h"
#include "modules.h"
#include "stream.h"
#include "timer.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { GRACE = 2000 }; // milliseconds between TERM and KILL

struct process {
    struct pe_handle handle;
    uv_timer_t limit;
    uv_process_t *child; // lives until it is reaped, its `data` is NULL once this is closed; NULL once it has ended
    int64_t code;
    int pid, signal;
    bool is_late, is_over;
};

static struct rlimit descriptors; // as this process was started

static void on_fork(void) {
    setrlimit(RLIMIT_NOFILE, &descriptors);
}

void pe_process_raise_limits(void) {
    getrlimit(RLIMIT_NOFILE, &descriptors);
    pthread_atfork(NULL, NULL, on_fork);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){descriptors.rlim_max, descriptors.rlim_max});
}

static void on_close(struct pe_handle *handle) {
    struct process *process = (struct process *)handle;
    if (!process->child) return;
    process->child->data = NULL;
    process->child = NULL;
    kill(-process->pid, SIGKILL);
}

static const struct pe_handle_class process_class = {.name = "process", .on_close = on_close};

static int push_end(lua_State *L, void *operation) {
    struct process *process = operation;
    lua_pushnumber(L, (double)process->code);
    lua_pushinteger(L, process->signal);
    lua_pushboolean(L, process->is_late);
    return 3;
}

static void free_child(uv_handle_t *uv) {
    free(uv);
}

// As long as somebody of the group is left, its number is not given to another; if nobody is, nothing is killed.
static void on_child_exit(uv_process_t *uv, int64_t code, int signal) {
    struct process *process = uv->data;
    kill(-uv->pid, SIGKILL);
    uv_close((uv_handle_t *)uv, free_child);
    if (!process) return;
    process->child = NULL;
    process->is_over = true;
    process->code = code;
    process->signal = signal;
    pe_task_finish(&process->handle.waiter, push_end, process);
    pe_handle_close(&process->handle);
}

static void on_limit(uv_timer_t *timer) {
    struct process *process = timer->data;
    kill(-process->pid, process->is_late ? SIGKILL : SIGTERM);
    if (!process->is_late) pe_timer_start(timer, on_limit, GRACE);
    process->is_late = true;
}

// The list of strings at `index` as argv and environ are: owned by a userdata that it pushes, the strings by the list.
static char **read_list(lua_State *L, int index) {
    luaL_checktype(L, index, LUA_TTABLE);
    int count = (int)lua_objlen(L, index);
    char **list = lua_newuserdata(L, (size_t)(count + 1) * sizeof *list);
    for (int i = 0; i < count; i++, lua_pop(L, 1)) {
        lua_rawgeti(L, index, i + 1);
        list[i] = (char *)luaL_checkstring(L, -1);
    }
    list[count] = NULL;
    return list;
}

struct pipes {
    struct pe_stream *ours[3]; // NULL: no pipe
    uv_stdio_container_t theirs[3];
};

// A pipe and not libuv's socket pair: a child may open /dev/stdout.
static int open_pipe(struct pipes *pipes, int which) {
    int ends[2], mine = which == 0, status = uv_pipe(ends, 0, 0);
    if (status) return status;
    pipes->theirs[which] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = ends[!mine]};
    status = uv_pipe_open(&pipes->ours[which]->uv.pipe, ends[mine]);
    if (status) close(ends[mine]);
    return status;
}

// Pushes a stream or nil for each: Lua memory first. Then opens the pipes.
static int open_pipes(lua_State *L, struct pipes *pipes, const bool wanted[3]) {
    int status = 0;
    for (int i = 0; i < 3; i++) {
        if (wanted[i] && !status)
            status = pe_stream_new(L, AF_UNIX, &pipes->ours[i]);
        else
            lua_pushnil(L);
    }
    for (int i = 0; i < 3 && !status; i++)
        if (wanted[i]) status = open_pipe(pipes, i);
    return status;
}

static void close_pipes(struct pipes *pipes, bool is_failed) {
    for (int i = 0; i < 3; i++) {
        if (!pipes->ours[i]) continue;
        if (pipes->theirs[i].flags == UV_INHERIT_FD) close(pipes->theirs[i].data.fd);
        if (is_failed) pe_handle_close(&pipes->ours[i]->handle);
    }
}

static int start_child(struct process *process, const uv_process_options_t *options) {
    uv_process_t *child = calloc(1, sizeof *child);
    if (!child) return UV_ENOMEM;
    int status = uv_spawn(pe_vm_loop(), child, options);
    if (status) return uv_close((uv_handle_t *)child, free_child), status;
    child->data = process;
    process->child = child;
    process->pid = child->pid;
    return 0;
}

static int start(struct process *process, const uv_process_options_t *options, double seconds) {
    uv_timer_init(pe_vm_loop(), &process->limit);
    if (!pe_handle_open(&process->handle, (uv_handle_t *)&process->limit)) return UV_ECANCELED;
    int status = start_child(process, options);
    if (status) return pe_handle_close(&process->handle), status;
    if (isfinite(seconds)) pe_timer_start(&process->limit, on_limit, (uint64_t)(seconds * 1000));
    return 0;
}

// spawn(arguments, environment, cwd or nil, seconds, whether stdin, stderr are pipes)
//   -> process, stdin or nil, stdout, stderr or nil, pid
static int l_spawn(lua_State *L) {
    struct pipes pipes = {0};
    uv_process_options_t options = {
        .exit_cb = on_child_exit, .flags = UV_PROCESS_DETACHED, .stdio = pipes.theirs, .stdio_count = 3};
    bool wanted[] = {lua_toboolean(L, 5), true, lua_toboolean(L, 6)};
    double seconds = luaL_checknumber(L, 4);
    options.cwd = luaL_optstring(L, 3, NULL);
    options.args = read_list(L, 1);
    options.env = read_list(L, 2);
    options.file = options.args[0];
    if (!wanted[2]) pipes.theirs[2] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = 2};
    struct process *process = pe_handle_new(L, &process_class, sizeof *process);
    int status = open_pipes(L, &pipes, wanted);
    if (!status) status = start(process, &options, seconds);
    close_pipes(&pipes, status != 0);
    lua_pushinteger(L, process->pid);
    if (!status) return 5;
    bool is_folder_bad = options.cwd && access(options.cwd, X_OK);
    lua_pushfstring(L, is_folder_bad ? "cannot run %s in %s" : "cannot run %s", options.file, options.cwd);
    return pe_vm_fail(L, status, "%s", lua_tostring(L, -1));
}

// wait() -> exit code, signal or 0, whether the time limit ended it
static int l_wait(lua_State *L) {
    struct process *process = pe_handle_self(L);
    return process->is_over ? push_end(L, process) : pe_handle_wait(L, &process->handle);
}

// kill(number)
static int l_kill(lua_State *L) {
    struct process *process = pe_handle_self(L);
    int number = luaL_checkint(L, 2);
    if (!process->child) return pe_vm_refuse(L, "the process has ended", "ESRCH");
    if (kill(-process->pid, number))
        return pe_vm_fail(L, uv_translate_sys_error(errno), "cannot kill process %d", process->pid);
    lua_pushboolean(L, 1);
    return 1;
}

struct watch {
    struct pe_handle handle;
    uv_signal_t uv;
    bool is_due; // it came, and nobody knows
};

static const struct pe_handle_class watch_class = {.name = "signals"};

static int push_signal(lua_State *L, void *watch) {
    ((struct watch *)watch)->is_due = false;
    lua_pushboolean(L, 1);
    return 1;
}

static void on_signal(uv_signal_t *uv, int number) {
    struct watch *watch = uv->data;
    (void)number;
    watch->is_due = true;
    pe_task_finish(&watch->handle.waiter, push_signal, watch);
}

// watch(number) -> watch
static int l_watch(lua_State *L) {
    int number = luaL_checkint(L, 1);
    struct watch *watch = pe_handle_new(L, &watch_class, sizeof *watch);
    uv_signal_init(pe_vm_loop(), &watch->uv);
    if (!pe_handle_open(&watch->handle, (uv_handle_t *)&watch->uv)) return pe_vm_refuse(L, "closed", "ECANCELED");
    int status = uv_signal_start(&watch->uv, on_signal, number);
    if (!status) return 1;
    pe_handle_close(&watch->handle);
    return pe_vm_fail(L, status, "cannot watch signal %s", sigabbrev_np(number));
}

// next() -> true when the signal came; several that come together may be one
static int l_next(lua_State *L) {
    struct watch *watch = pe_handle_self(L);
    return watch->is_due ? push_signal(L, watch) : pe_handle_wait(L, &watch->handle);
}

// names() -> { [number] = name }: HUP, not SIGHUP
static int l_names(lua_State *L) {
    lua_newtable(L);
    for (int number = 1; number < NSIG; number++) {
        lua_pushstring(L, sigabbrev_np(number));
        lua_rawseti(L, -2, number);
    }
    return 1;
}

// environment() -> a list of the engine's own, "NAME=value"
static int l_environment(lua_State *L) {
    lua_newtable(L);
    for (int i = 0; environ[i]; i++) {
        lua_pushstring(L, environ[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

// unset(name): takes a variable out of the environment, that of children too.
static int l_unset(lua_State *L) {
    unsetenv(luaL_checkstring(L, 1));
    return 0;
}

// notify(address, text): to the service manager, whose socket is a file, or a name that is none ("@…"). Ours is held:
// descriptors may run out.
static int l_notify(lua_State *L) {
    static int fd = -1;
    struct sockaddr_un manager = {.sun_family = AF_UNIX};
    size_t length, size, start = offsetof(struct sockaddr_un, sun_path);
    const char *address = luaL_checklstring(L, 1, &length), *text = luaL_checklstring(L, 2, &size);
    const char *failure = "cannot notify the service manager";
    if (length >= sizeof manager.sun_path) return pe_vm_fail(L, UV_ENAMETOOLONG, "%s", failure);
    memcpy(manager.sun_path, address, length);
    if (*address == '@') manager.sun_path[0] = '\0';
    if (fd < 0) fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || sendto(fd, text, size, MSG_NOSIGNAL, (struct sockaddr *)&manager, (socklen_t)(start + length)) < 0)
        return pe_vm_fail(L, -errno, "%s", failure);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_exit_now(lua_State *L) {
    _exit((int)luaL_checkinteger(L, 1));
}

static const luaL_Reg methods[] = {{"wait", l_wait}, {"kill", l_kill}, {"close", pe_handle_l_close}, {NULL, NULL}};
static const luaL_Reg watch_methods[] = {{"next", l_next}, {"close", pe_handle_l_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"spawn", l_spawn}, {"watch", l_watch},   {"names", l_names},       {"environment", l_environment},
    {"unset", l_unset}, {"notify", l_notify}, {"exit_now", l_exit_now}, {NULL, NULL}};

int luaopen_engine_process(lua_State *L) {
    pe_stream_register(L);
    pe_handle_register(L, &process_class, methods);
    pe_handle_register(L, &watch_class, watch_methods);
    return pe_vm_module(L, functions, NULL);
}
