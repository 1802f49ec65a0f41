// SPDX-License-Identifier: MIT
// Signals as functions to run, each time in a task of its own.
#include "signal.h"
#include "handle.h"
#include "task.h"
#include <signal.h>
#include <string.h>

struct watch {
    struct pe_handle handle;
    uv_signal_t uv;
    int function; // registry reference; released when the watch closes
};

static void on_close(struct pe_handle *handle) {
    pe_vm_unref(((struct watch *)handle)->function);
}

static const struct pe_handle_class watch_class = {.name = "signals", .on_close = on_close, .outlives_lua = true};

int pe_signal_check(lua_State *L, int index) {
    const char *name = luaL_checkstring(L, index), *known;
    for (int number = 1; number < NSIG; number++)
        if ((known = sigabbrev_np(number)) && strcmp(known, name) == 0) return number;
    return luaL_error(L, "no signal is called \"%s\": expected a name like \"HUP\"", name);
}

void pe_signal_push(lua_State *L, int number) {
    const char *name = sigabbrev_np(number);
    if (!number) return lua_pushnil(L);
    if (name) return lua_pushstring(L, name), (void)0;
    lua_pushfstring(L, "%d", number);
}

static void run(lua_State *L, void *argument) {
    struct watch *watch = argument;
    lua_rawgeti(L, LUA_REGISTRYINDEX, watch->function);
    pe_task_spawn(L, watch->handle.scope, 0);
}

static void on_signal(uv_signal_t *uv, int number) {
    (void)number;
    pe_vm_enter(run, uv->data);
}

int pe_signal_l_on(lua_State *L) {
    int number = pe_signal_check(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    struct watch *watch = pe_handle_new(L, &watch_class, sizeof *watch);
    lua_insert(L, 2);
    watch->function = luaL_ref(L, LUA_REGISTRYINDEX);
    uv_signal_init(pe_vm_loop(), &watch->uv);
    if (!pe_handle_open(&watch->handle, (uv_handle_t *)&watch->uv)) return pe_vm_refuse(L, "closed", "ECANCELED");
    int status = uv_signal_start(&watch->uv, on_signal, number);
    if (!status) return 1;
    pe_handle_close(&watch->handle);
    return pe_vm_fail(L, status, "cannot watch signal %s", lua_tostring(L, 1));
}

static const luaL_Reg methods[] = {{"close", pe_handle_l_close}, {NULL, NULL}};

void pe_signal_register(lua_State *L) {
    pe_handle_register(L, &watch_class, methods);
}
