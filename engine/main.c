// SPDX-License-Identifier: MIT
// The process: finds its Lua files, runs `peerage.cli` as the first task, and ends when that has ended.
// Invariant: the loop is empty and closed before the Lua state is.
#include "log.h"
#include "process.h"
#include "resolver.h"
#include "scope.h"
#include "task.h"
#include "vm.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

enum { LAST_WAIT = 400000 }; // microseconds

static struct {
    int count;
    char **values;
} arguments;

static struct pe_scope *root;
static int exit_status = -1;

// Whether `folder` holds the Lua files.
static bool is_root(const char *folder) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/lua/peerage/init.lua", folder);
    return access(path, R_OK) == 0;
}

// An installed binary has them in ../share/peerage-lua, one in a build tree somewhere above itself.
static bool find_root(char *root_path, size_t size) {
    char folder[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length < 0) return false;
    folder[length] = '\0';
    for (char *slash; (slash = strrchr(folder, '/'));) {
        *slash = '\0';
        snprintf(root_path, size, "%s/share/peerage-lua", folder);
        if (is_root(root_path)) return true;
        snprintf(root_path, size, "%s", folder);
        if (is_root(root_path)) return true;
    }
    return false;
}

// Everything ends with the first task: its integer result is the exit status.
static void on_main_end(lua_State *results, bool is_ok) {
    int status = is_ok && lua_isnumber(results, 1) ? (int)lua_tointeger(results, 1) : EXIT_FAILURE;
    exit_status = status >= 0 && status <= 255 ? status : EXIT_FAILURE; // the system would take it modulo 256
    uv_stop(pe_vm_loop());
}

static void start(lua_State *L, void *unused) {
    (void)unused;
    if (luaL_loadstring(L, "return require('peerage.cli').main(...)")) lua_error(L);
    luaL_checkstack(L, arguments.count, "too many arguments");
    for (int i = 1; i < arguments.count; i++) lua_pushstring(L, arguments.values[i]);
    pe_task_on_end(pe_task_spawn(L, root, arguments.count - 1), on_main_end);
}

static void run(void) {
    if (pe_vm_enter(start, NULL)) exit_status = EXIT_FAILURE;
    if (exit_status < 0) uv_run(pe_vm_loop(), UV_RUN_DEFAULT);
    if (exit_status < 0) {
        pe_log_write(PE_LOG_ERROR, "engine", "the main task waits for something that cannot happen", NULL);
        exit_status = EX_SOFTWARE;
    }
}

static void on_alarm(int number) {
    (void)number;
    _exit(exit_status);
}

// A file system that does not answer holds its thread of libuv's pool, and that the loop: not for ever.
static void empty_loop(void) {
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = LAST_WAIT}, NULL);
    while (uv_run(pe_vm_loop(), UV_RUN_DEFAULT)) continue; // the first may end at once: on_main_end's uv_stop counts
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
}

static void stop(void) {
    pe_scope_close(root);
    pe_scope_release(root);
    pe_resolver_close();
    pe_turn_shut_down();
    pe_log_shut_down();
    empty_loop();
    if (uv_loop_close(pe_vm_loop())) {
        pe_log_write(PE_LOG_ERROR, "engine", "a handle was left open at the end", NULL);
        exit_status = EX_SOFTWARE;
    }
    pe_vm_close();
    uv_library_shutdown();
}

// Closed standard streams would be opened again as anything: the log must not write into a socket.
static void open_standard_streams(void) {
    int fd;
    do fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) close(fd);
}

int main(int argc, char **argv) {
    char folder[PATH_MAX + 32];
    arguments.count = argc;
    arguments.values = argv;
    signal(SIGPIPE, SIG_IGN);
    open_standard_streams();
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC); // what we were given is not for programs
    pe_process_raise_limits();
    if (!find_root(folder, sizeof folder)) {
        fputs("peerage-lua: its Lua files are missing: expected share/peerage-lua beside bin\n", stderr);
        return EX_SOFTWARE;
    }
    if (pe_vm_open(folder) || !(root = pe_scope_new(NULL, NULL, HUGE_VAL, NULL))) {
        fputs("peerage-lua: not enough memory to start\n", stderr);
        return EX_OSERR;
    }
    run();
    stop();
    return exit_status;
}
