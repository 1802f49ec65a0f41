// SPDX-License-Identifier: MIT
// Watchers over inotify. Invariant: a change is in the buffer until a task has got it; changes of one name are one, and
// more names than the buffer holds are one change of unknown name.
#include "watch.h"
#include "handle.h"
#include "task.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NAMES = 64, MAX_BYTES = 4096 };

struct watcher {
    struct pe_handle handle;
    uv_fs_event_t uv;
    struct pe_wait wait;
    bool is_unknown; // something changed, nobody knows what
    int count;
    char names[MAX_BYTES]; // "/oldest/…/newest/": no name has a slash
};

static void on_close(struct pe_handle *handle) {
    pe_task_wake_closed(&((struct watcher *)handle)->wait);
}

static const struct pe_handle_class watcher_class = {.name = "watcher", .on_close = on_close};

static void forget_all(struct watcher *watcher) {
    watcher->count = 0;
    strcpy(watcher->names, "/");
}

static void remember(struct watcher *watcher, const char *name) {
    char entry[NAME_MAX + 3];
    snprintf(entry, sizeof entry, "/%s/", name);
    if (strstr(watcher->names, entry)) return;
    if (watcher->count == MAX_NAMES || strlen(watcher->names) + strlen(entry) > MAX_BYTES) {
        watcher->is_unknown = true;
        return forget_all(watcher);
    }
    strcat(watcher->names, entry + 1);
    watcher->count++;
}

// Pushes the next name, true for an unknown one, or why there is none any more; nothing if there is none yet.
static int push_next(lua_State *L, void *argument) {
    struct watcher *watcher = argument;
    if (watcher->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (watcher->is_unknown) {
        watcher->is_unknown = false;
        lua_pushboolean(L, 1);
        return 1;
    }
    if (!watcher->count) return 0;
    char *first = watcher->names + 1, *end = strchr(first, '/');
    lua_pushlstring(L, first, (size_t)(end - first));
    memmove(watcher->names, end, strlen(end) + 1);
    watcher->count--;
    return 1;
}

static void on_event(uv_fs_event_t *uv, const char *name, int events, int status) {
    struct watcher *watcher = uv->data;
    (void)events;
    if (status || !name)
        watcher->is_unknown = true;
    else
        remember(watcher, name);
    pe_task_finish(&watcher->wait, push_next, watcher);
}

static int l_next(lua_State *L) {
    struct watcher *watcher = pe_handle_self(L);
    lua_settop(L, 1);
    if (watcher->wait.task) luaL_error(L, "another task waits for this watcher already");
    int count = push_next(L, watcher);
    if (count) return count;
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    return pe_task_suspend(L, &watcher->wait, NULL);
}

// start(path): from now on, what the path leads to now. The kernel's watch stays with what it led to before.
static int l_start(lua_State *L) {
    struct watcher *watcher = pe_handle_self(L);
    const char *path = luaL_checkstring(L, 2);
    if (watcher->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    uv_fs_event_stop(&watcher->uv);
    int status = uv_fs_event_start(&watcher->uv, on_event, path, 0);
    if (status) return pe_vm_refuse(L, uv_strerror(status), uv_err_name(status));
    lua_pushboolean(L, 1);
    return 1;
}

// watch() -> watcher that watches nothing yet
static int l_watch(lua_State *L) {
    struct watcher *watcher = pe_handle_new(L, &watcher_class, sizeof *watcher);
    forget_all(watcher);
    uv_fs_event_init(pe_vm_loop(), &watcher->uv);
    bool is_open = pe_handle_open(&watcher->handle, (uv_handle_t *)&watcher->uv);
    return is_open ? 1 : pe_vm_refuse(L, "closed", "ECANCELED");
}

static const luaL_Reg methods[] = {{"next", l_next}, {"start", l_start}, {"close", pe_handle_l_close}, {NULL, NULL}};

void pe_watch_register(lua_State *L) {
    pe_handle_register(L, &watcher_class, methods);
    lua_pushcfunction(L, l_watch);
    lua_setfield(L, -2, "watch");
    luaL_getmetatable(L, watcher_class.name);
    lua_getfield(L, -1, "__index");
    lua_setfield(L, -3, "watcher");
    lua_pop(L, 1);
}
