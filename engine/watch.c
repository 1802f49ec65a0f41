// SPDX-License-Identifier: MIT
// The C half of watch.lua: watchers over inotify. Invariant: each change is told to the Lua half before a task is
// woken for it.
#include "account.h"
#include "handle.h"
#include "modules.h"

struct watcher {
    struct pe_handle handle;
    uv_fs_event_t uv;
    int function; // registry reference; released when the watcher closes
};

static void on_close(struct pe_handle *handle) {
    pe_vm_unref(((struct watcher *)handle)->function);
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
    pe_task_wake(L, &change->watcher->handle.waiter, 0);
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
    struct pe_handle *handle = pe_handle_self(L);
    return lua_toboolean(L, 2) && !handle->closed ? 0 : pe_handle_wait(L, handle);
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

// new(fn) -> watcher that watches nothing yet; `fn` is told the name of each change, nil for an unknown one.
static int l_new(lua_State *L) {
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
static const luaL_Reg functions[] = {{"new", l_new}, {NULL, NULL}};

int luaopen_engine_watch(lua_State *L) {
    pe_handle_register(L, &watcher_class, methods);
    return pe_vm_module(L, functions, watcher_class.name);
}
