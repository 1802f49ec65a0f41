// SPDX-License-Identifier: MIT
// Files and folders, on libuv's thread pool. Invariant: a worker sees only its own operation, never Lua; an operation
// whose task is gone runs to its end unheard.
#include "file.h"
#include "task.h"
#include "watch.h"
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_READ = 16 * 1024 * 1024, MAX_READ_LIMIT = 1024 * 1024 * 1024 };

struct operation;

struct kind {
    const char *verb; // "cannot <verb> <path>: …"
    int (*run)(struct operation *operation);
    int (*push)(lua_State *L, struct operation *operation);
};

struct operation {
    struct pe_wait wait;
    uv_work_t work;
    const struct kind *kind;
    int status;
    struct pe_file_reason reason;
    size_t max;       // read
    mode_t mode;      // write: of the new file; read: what is forbidden
    bool flag;        // stat: of the link itself; write: exclusive
    char *text;       // result of read, realpath, readlink; own
    size_t length;    // of text, or of the data to write
    struct stat stat; // result
    struct dirent **names;
    int name_count;
    char *path; // in `bytes`, with the data to write before it
    char bytes[];
};

static const char *check_path(lua_State *L) {
    size_t length;
    const char *path = luaL_checklstring(L, 1, &length);
    luaL_argcheck(L, strlen(path) == length, 1, "a path holds no zero byte");
    return path;
}

static void free_operation(struct operation *operation) {
    for (int i = 0; i < operation->name_count; i++) free(operation->names[i]);
    free(operation->names);
    free(operation->text);
    free(operation);
}

static int push_result(lua_State *L, void *argument) {
    struct operation *operation = argument;
    const char *verb = operation->kind->verb;
    if (!operation->status) return operation->kind->push(L, operation);
    if (!*operation->reason.text) return pe_vm_fail(L, operation->status, "cannot %s %s", verb, operation->path);
    lua_pushfstring(L, "cannot %s %s: %s", verb, operation->path, operation->reason.text);
    return pe_vm_refuse(L, lua_tostring(L, -1), uv_err_name(operation->status));
}

static void on_work(uv_work_t *work) {
    struct operation *operation = work->data;
    operation->status = operation->kind->run(operation);
}

static void on_done(uv_work_t *work, int status) {
    struct operation *operation = work->data;
    if (status) operation->status = status;
    pe_task_finish(&operation->wait, push_result, operation);
    free_operation(operation);
}

static void abandon(struct pe_wait *wait) {
    uv_cancel((uv_req_t *)&((struct operation *)wait)->work);
}

// Starts `wanted` for the path at index 1, with a copy of `data`.
static int start(lua_State *L, const struct operation *wanted, const char *data) {
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    const char *path = lua_tostring(L, 1);
    struct operation *operation = malloc(sizeof *operation + wanted->length + strlen(path) + 1);
    if (!operation) luaL_error(L, "not enough memory");
    *operation = *wanted;
    if (data) memcpy(operation->bytes, data, wanted->length);
    operation->path = strcpy(operation->bytes + wanted->length, path);
    operation->work.data = operation;
    uv_queue_work(pe_vm_loop(), &operation->work, on_work, on_done);
    return pe_task_suspend(L, &operation->wait, abandon);
}

static int run_stat(struct operation *operation) {
    int failed = operation->flag ? lstat(operation->path, &operation->stat) : stat(operation->path, &operation->stat);
    return failed ? -errno : 0;
}

static void set_number(lua_State *L, const char *name, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static int push_stat(lua_State *L, struct operation *operation) {
    const struct stat *stat = &operation->stat;
    lua_createtable(L, 0, 8);
    lua_pushstring(L, pe_file_type(stat->st_mode));
    lua_setfield(L, -2, "type");
    set_number(L, "size", (double)stat->st_size);
    set_number(L, "mtime", (double)stat->st_mtim.tv_sec + (double)stat->st_mtim.tv_nsec / 1e9);
    set_number(L, "mode", stat->st_mode & 07777);
    set_number(L, "inode", (double)stat->st_ino);
    set_number(L, "device", (double)stat->st_dev);
    set_number(L, "uid", stat->st_uid);
    set_number(L, "gid", stat->st_gid);
    return 1;
}

static int l_stat(lua_State *L) {
    static const struct kind kind = {"stat", run_stat, push_stat};
    static const char *const names[] = {"lstat", NULL};
    check_path(L);
    pe_vm_option_names(L, 2, names);
    return start(L, &(struct operation){.kind = &kind, .flag = pe_vm_option_boolean(L, 2, "lstat", 0)}, NULL);
}

static int push_text(lua_State *L, struct operation *operation) {
    lua_pushlstring(L, operation->text ? operation->text : "", operation->length);
    return 1;
}

static int run_realpath(struct operation *operation) {
    operation->text = realpath(operation->path, NULL);
    if (!operation->text) return -errno;
    operation->length = strlen(operation->text);
    return 0;
}

static int l_realpath(lua_State *L) {
    static const struct kind kind = {"resolve", run_realpath, push_text};
    check_path(L);
    return start(L, &(struct operation){.kind = &kind}, NULL);
}

static int run_readlink(struct operation *operation) {
    operation->text = malloc(PATH_MAX);
    if (!operation->text) return -ENOMEM;
    ssize_t length = readlink(operation->path, operation->text, PATH_MAX);
    if (length < 0 && errno == EINVAL) strcpy(operation->reason.text, "it is no symbolic link");
    if (length < 0) return -errno;
    operation->length = (size_t)length;
    return 0;
}

static int l_readlink(lua_State *L) {
    static const struct kind kind = {"read the link", run_readlink, push_text};
    check_path(L);
    return start(L, &(struct operation){.kind = &kind}, NULL);
}

static int is_entry(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int run_list(struct operation *operation) {
    int count = scandir(operation->path, &operation->names, is_entry, by_bytes);
    if (count < 0) return -errno;
    operation->name_count = count;
    return 0;
}

static int push_list(lua_State *L, struct operation *operation) {
    lua_createtable(L, operation->name_count, 0);
    for (int i = 0; i < operation->name_count; i++) {
        lua_pushstring(L, operation->names[i]->d_name);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int l_list(lua_State *L) {
    static const struct kind kind = {"list", run_list, push_list};
    check_path(L);
    return start(L, &(struct operation){.kind = &kind}, NULL);
}

static int run_read(struct operation *operation) {
    return pe_file_read(operation->path, operation->max, operation->mode, &operation->text, &operation->length,
                        &operation->reason);
}

// The permission bits that `private` forbids.
static mode_t check_private(lua_State *L) {
    int type = pe_vm_option(L, 2, "private");
    bool is_owner = type == LUA_TSTRING && strcmp(lua_tostring(L, -1), "owner") == 0;
    if (type != LUA_TNIL && type != LUA_TBOOLEAN && !is_owner)
        luaL_error(L, "option \"private\": expected true, false or \"owner\", found %s",
                   type == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, -1));
    mode_t forbidden = is_owner ? S_IRWXG | S_IRWXO : lua_toboolean(L, -1) ? S_IRWXO : 0;
    lua_pop(L, 1);
    return forbidden;
}

static int l_read(lua_State *L) {
    static const struct kind kind = {"read", run_read, push_text};
    static const char *const names[] = {"max", "private", NULL};
    check_path(L);
    pe_vm_option_names(L, 2, names);
    double max = pe_vm_option_number(L, 2, "max", MAX_READ);
    if (max < 0 || max > MAX_READ_LIMIT) luaL_error(L, "option \"max\": expected 0 to 1073741824 bytes, found %f", max);
    return start(L, &(struct operation){.kind = &kind, .max = (size_t)max, .mode = check_private(L)}, NULL);
}

static int run_write(struct operation *operation) {
    return pe_file_write(operation->path, operation->bytes, operation->length, operation->mode, operation->flag,
                         &operation->reason);
}

static int push_true(lua_State *L, struct operation *operation) {
    (void)operation;
    lua_pushboolean(L, 1);
    return 1;
}

static int l_write(lua_State *L) {
    static const struct kind kind = {"write", run_write, push_true};
    static const char *const names[] = {"mode", "exclusive", NULL};
    struct operation wanted = {.kind = &kind};
    check_path(L);
    const char *data = luaL_checklstring(L, 2, &wanted.length);
    pe_vm_option_names(L, 3, names);
    double mode = pe_vm_option_number(L, 3, "mode", 0644);
    if (mode < 0 || mode > 0777 || mode != (mode_t)mode)
        luaL_error(L, "option \"mode\": expected permission bits as a number, at most 511 (octal 777), found %f", mode);
    wanted.mode = (mode_t)mode;
    wanted.flag = pe_vm_option_boolean(L, 3, "exclusive", 0);
    return start(L, &wanted, data);
}

static const luaL_Reg functions[] = {
    {"stat", l_stat}, {"realpath", l_realpath}, {"readlink", l_readlink},    {"list", l_list},
    {"read", l_read}, {"write", l_write},       {"watch", pe_watch_l_watch}, {NULL, NULL}};

int luaopen_engine_fs(lua_State *L) {
    pe_watch_register(L);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
