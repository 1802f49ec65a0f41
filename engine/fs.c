// SPDX-License-Identifier: MIT
// Files and folders on libuv's thread pool: the C half. Invariant: a worker sees only its own job, never Lua; a job
// whose task is gone runs to its end unheard.
#include "file.h"
#include "task.h"
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

struct job {
    struct pe_wait wait;
    uv_work_t work;
    const struct pe_file_verb *verb;
    int status;
    struct pe_file file;
    char bytes[]; // of the path, then of the data
};

// Gives text or the numbers of a stat; or nil, reason, code and the mode of what was found.
static int push(lua_State *L, void *argument) {
    struct job *job = argument;
    const struct statx *found = &job->file.found;
    double numbers[] = {found->stx_mode,
                        (double)found->stx_size,
                        (double)found->stx_mtime.tv_sec + found->stx_mtime.tv_nsec / 1e9,
                        (double)found->stx_btime.tv_sec + found->stx_btime.tv_nsec / 1e9,
                        (double)found->stx_ino,
                        (double)makedev(found->stx_dev_major, found->stx_dev_minor),
                        found->stx_uid,
                        found->stx_gid};
    if (job->status) {
        pe_vm_refuse(L, uv_strerror(job->status), uv_err_name(job->status));
        lua_pushnumber(L, found->stx_mode);
        return 4;
    }
    if (job->file.text) return lua_pushlstring(L, job->file.text, job->file.length), 1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) lua_pushnumber(L, numbers[i]);
    return sizeof numbers / sizeof *numbers;
}

static void on_work(uv_work_t *work) {
    struct job *job = work->data;
    job->status = job->verb->run(&job->file);
}

static void on_done(uv_work_t *work, int status) {
    struct job *job = work->data;
    if (status) job->status = status;
    pe_task_finish(&job->wait, push, job);
    free(job->file.text);
    free(job);
}

static void abandon(struct pe_wait *wait) {
    uv_cancel((uv_req_t *)&((struct job *)wait)->work);
}

// <verb>(path, mode, size, data): numbers that the verb has no use for may be missing.
static int l_run(lua_State *L) {
    size_t path_size, data_size;
    const char *path = luaL_checklstring(L, 1, &path_size), *data = luaL_optlstring(L, 4, "", &data_size);
    mode_t mode = (mode_t)luaL_optinteger(L, 2, 0);
    double size = luaL_optnumber(L, 3, (double)data_size);
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    struct job *job = calloc(1, sizeof *job + path_size + 1 + data_size);
    if (!job) luaL_error(L, "not enough memory");
    char *copy = memcpy(job->bytes + path_size + 1, data, data_size);
    job->verb = &pe_file_verbs[lua_tointeger(L, lua_upvalueindex(1))];
    job->file = (struct pe_file){.path = job->bytes, .data = copy, .size = (size_t)size, .mode = mode};
    memcpy(job->bytes, path, path_size);
    job->work.data = job;
    uv_queue_work(pe_vm_loop(), &job->work, on_work, on_done);
    return pe_task_suspend(L, &job->wait, abandon);
}

// mode(path) -> mode, without waiting; 0: there is nothing, or it cannot be known
static int l_mode(lua_State *L) {
    struct stat found;
    return lua_pushinteger(L, stat(luaL_checkstring(L, 1), &found) ? 0 : found.st_mode), 1;
}

static const luaL_Reg functions[] = {{"mode", l_mode}, {NULL, NULL}};

int luaopen_engine_fs(lua_State *L) {
    pe_vm_module(L, functions, NULL);
    for (int i = 0; pe_file_verbs[i].name; i++) {
        lua_pushinteger(L, i);
        lua_pushcclosure(L, l_run, 1);
        lua_setfield(L, -2, pe_file_verbs[i].name);
    }
    return 1;
}
