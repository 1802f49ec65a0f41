// SPDX-License-Identifier: MIT
// Watchers over inotify. Invariant: each change is told to the Lua half before a task is woken for it.
#include "watch.h"
#include "account.h"
#include "handle.h"
#include "task.h"

struct watcher {
    struct pe_handle handle;
    uv_fs_event_t uv;
    struct pe_wait wait;
    int function; // registry reference; released when the watcher closes
};

static void on_close(struct pe_handle *handle) {
    struct watcher *watcher = (struct watcher *)handle;
    pe_vm_unref(watcher->function);
    pe_task_wake_closed(&watcher->wait);
}

static const struct pe_handle_class watcher_class = {.name = "watcher", .on_close = on_close};

struct change {
    struct watcher *watcher;
    const char *name; // NULL: something changed, nobody knows what
};

static void tell(lua_State *L, void *argument) {
    const struct change *change = argument;
    pe_account_charge(change->watcher->handle.scope->account);
    lua_rawgeti(L, LUA_REGISTRYINDEX, change->watcher->function);
    lua_pushstring(L, change->name);
    lua_call(L, 1, 0);
    pe_task_wake(L, &change->watcher->wait, 0);
}

// A name that there is no memory for is an unknown one.
static void on_event(uv_fs_event_t *uv, const char *name, int events, int status) {
    struct change change = {uv->data, status ? NULL : name};
    (void)events;
    if (pe_vm_protect(tell, &change) && change.name) change.name = NULL, pe_vm_protect(tell, &change);
    pe_vm_run_ready();
}

// wait(is_told): for the next change, unless one was told already
static int l_wait(lua_State *L) {
    struct watcher *watcher = pe_handle_self(L);
    if (watcher->wait.task) luaL_error(L, "another task waits for this watcher already");
    if (watcher->handle.closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (lua_toboolean(L, 2)) return 0;
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

// watch(fn) -> watcher that watches nothing yet; `fn` is told the name of each change, nil for an unknown one.
static int l_watch(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    struct watcher *watcher = pe_handle_new(L, &watcher_class, sizeof *watcher);
    lua_insert(L, 1);
    watcher->function = luaL_ref(L, LUA_REGISTRYINDEX);
    uv_fs_event_init(pe_vm_loop(), &watcher->uv);
    bool is_open = pe_handle_open(&watcher->handle, (uv_handle_t *)&watcher->uv);
    return is_open ? 1 : pe_vm_refuse(L, "closed", "ECANCELED");
}

static const luaL_Reg methods[] = {{"wait", l_wait}, {"start", l_start}, {"close", pe_handle_l_close}, {NULL, NULL}};

void pe_watch_register(lua_State *L) {
    pe_handle_register(L, &watcher_class, methods);
    lua_pushcfunction(L, l_watch);
    lua_setfield(L, -2, "watch");
    luaL_getmetatable(L, watcher_class.name);
    lua_getfield(L, -1, "__index");
    lua_setfield(L, -3, "watcher");
    lua_pop(L, 1);
}
