// SPDX-License-Identifier: MIT
// Watchers over inotify. Invariant: a change is in the buffer until a task has got it; changes of one name are one, and
// more names than the buffer holds are one change of unknown name.
#include "watch.h"
#include "handle.h"
#include "task.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 64 };

struct watcher {
    struct pe_handle handle;
    uv_fs_event_t uv;
    struct pe_wait wait;
    char *path;             // own
    char *names[MAX_NAMES]; // own; oldest first
    int count;
    bool is_unknown; // something changed, nobody knows what
    bool is_gone;
};

static void forget_names(struct watcher *watcher) {
    while (watcher->count) free(watcher->names[--watcher->count]);
}

static void on_close(struct pe_handle *handle) {
    pe_task_wake_closed(&((struct watcher *)handle)->wait);
}

static void on_free(struct pe_handle *handle) {
    struct watcher *watcher = (struct watcher *)handle;
    forget_names(watcher);
    free(watcher->path);
}

static const struct pe_handle_class watcher_class = {.name = "watcher", .on_close = on_close, .on_free = on_free};

static void remember(struct watcher *watcher, const char *name) {
    for (int i = 0; i < watcher->count; i++)
        if (strcmp(watcher->names[i], name) == 0) return;
    char *copy = watcher->count < MAX_NAMES ? strdup(name) : NULL;
    if (copy)
        watcher->names[watcher->count++] = copy;
    else
        watcher->is_unknown = true;
    if (!copy) forget_names(watcher);
}

// Pushes the next change, or why there is none any more; nothing if there is none yet.
static int push_next(lua_State *L, void *argument) {
    struct watcher *watcher = argument;
    if (watcher->handle.closed && !watcher->is_gone) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (watcher->is_unknown || watcher->count)
        lua_createtable(L, 0, 1);
    else
        return watcher->is_gone ? pe_vm_refuse(L, "gone", "ENOENT") : 0;
    if (watcher->is_unknown) return watcher->is_unknown = false, 1;
    lua_pushstring(L, watcher->names[0]);
    lua_setfield(L, -2, "name");
    free(watcher->names[0]);
    memmove(watcher->names, watcher->names + 1, sizeof *watcher->names * (size_t)--watcher->count);
    return 1;
}

static bool is_own_name(const struct watcher *watcher, const char *name) {
    const char *slash = strrchr(watcher->path, '/');
    return strcmp(slash ? slash + 1 : watcher->path, name) == 0;
}

static void on_event(uv_fs_event_t *uv, const char *name, int events, int status);

// The path may lead to another file now, or nowhere, and the kernel's watch stays with the old one: watch anew.
static void watch_anew(struct watcher *watcher) {
    uv_fs_event_stop(&watcher->uv);
    watcher->is_unknown = true;
    watcher->is_gone = uv_fs_event_start(&watcher->uv, on_event, watcher->path, 0) != 0;
}

static void on_event(uv_fs_event_t *uv, const char *name, int events, int status) {
    struct watcher *watcher = uv->data;
    (void)events;
    if (status || !name || is_own_name(watcher, name))
        watch_anew(watcher);
    else
        remember(watcher, name);
    pe_task_finish(&watcher->wait, push_next, watcher);
    if (watcher->is_gone) pe_handle_close(&watcher->handle);
}

static void refuse_second(lua_State *L, const struct watcher *watcher) {
    if (watcher->wait.task) luaL_error(L, "another task waits for this watcher already");
}

static int l_next(lua_State *L) {
    struct watcher *watcher = pe_handle_self(L);
    lua_settop(L, 1);
    refuse_second(L, watcher);
    int count = push_next(L, watcher);
    if (count) return count;
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    return pe_task_suspend(L, &watcher->wait, NULL);
}

// each() -> next, watcher: for the generic `for`.
static int l_each(lua_State *L) {
    pe_handle_self(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, l_next, 1);
    lua_pushvalue(L, 1);
    return 2;
}

static int fail_limit(lua_State *L, const char *path, const char *limit, const char *code) {
    lua_pushfstring(L, "cannot watch %s: the system's limit is reached: raise %s (sysctl)", path, limit);
    return pe_vm_refuse(L, lua_tostring(L, -1), code);
}

int pe_watch_l_watch(lua_State *L) {
    size_t length;
    const char *path = luaL_checklstring(L, 1, &length);
    luaL_argcheck(L, strlen(path) == length, 1, "a path holds no zero byte");
    struct watcher *watcher = pe_handle_new(L, &watcher_class, sizeof *watcher);
    if (!(watcher->path = strdup(path))) luaL_error(L, "not enough memory");
    while (length > 1 && watcher->path[length - 1] == '/') watcher->path[--length] = '\0';
    uv_fs_event_init(pe_vm_loop(), &watcher->uv);
    if (!pe_handle_open(&watcher->handle, (uv_handle_t *)&watcher->uv)) return pe_vm_refuse(L, "closed", "ECANCELED");
    int status = uv_fs_event_start(&watcher->uv, on_event, watcher->path, 0);
    if (!status) return 1;
    pe_handle_close(&watcher->handle);
    if (status == UV_ENOSPC) return fail_limit(L, path, "fs.inotify.max_user_watches", "ENOSPC");
    if (status == UV_EMFILE) return fail_limit(L, path, "fs.inotify.max_user_instances", "EMFILE");
    return pe_vm_fail(L, status, "cannot watch %s", path);
}

static const luaL_Reg methods[] = {{"next", l_next}, {"each", l_each}, {"close", pe_handle_l_close}, {NULL, NULL}};

void pe_watch_register(lua_State *L) {
    pe_handle_register(L, &watcher_class, methods);
    luaL_getmetatable(L, watcher_class.name);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, l_next, 1);
    lua_setfield(L, -2, "__call");
    lua_pop(L, 1);
}
