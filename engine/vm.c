// SPDX-License-Identifier: MIT
// The one lua_State and its door. Interpreter only: compiled traces can be neither interrupted nor run without
// writable code pages.
#include "vm.h"
#include "account.h"
#include "log.h"
#include "modules.h"
#include "turn.h"
#include "watchdog.h"
#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lua_State *state;

// The argument of the door travels here: pushing a light userdata may allocate, and nothing may raise outside.
static struct {
    pe_vm_body body;
    void *argument;
    bool is_entered;
} door;

static int dispatch(lua_State *L) {
    pe_vm_body body = door.body;
    body(L, door.argument);
    return 0;
}

// Stack slot 1 holds `dispatch` for good, so that entering allocates nothing.
int pe_vm_protect(pe_vm_body body, void *argument) {
    door.body = body;
    door.argument = argument;
    door.is_entered = true;
    lua_pushvalue(state, 1);
    int status = lua_pcall(state, 0, 0, 0);
    door.is_entered = false;
    pe_account_charge(pe_account_engine());
    if (status) {
        const char *message = lua_tostring(state, -1);
        pe_log_write(PE_LOG_ERROR, "engine", message ? message : "error without a message", NULL);
        lua_settop(state, 1);
    }
    return status;
}

static void run_ready(lua_State *L, void *unused) {
    (void)unused;
    pe_turn_run(L);
}

void pe_vm_run_ready(void) {
    pe_vm_protect(run_ready, NULL);
}

int pe_vm_enter(pe_vm_body body, void *argument) {
    int status = pe_vm_protect(body, argument);
    pe_vm_run_ready();
    return status;
}

// Engine modules are files under the root; the current folder is no place to load code from.
static void set_paths(lua_State *L, const char *root) {
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/lua/?.lua;%s/lua/?/init.lua;%s/?.lua;%s", root, root, root, lua_tostring(L, -1));
    luaL_gsub(L, lua_tostring(L, -1), ";./?.lua", "");
    lua_setfield(L, -4, "path");
    lua_pop(L, 2);
    lua_getfield(L, -1, "cpath");
    luaL_gsub(L, lua_tostring(L, -1), "./?.so;", "");
    lua_setfield(L, -3, "cpath");
    lua_pop(L, 2);
}

static void preload_modules(lua_State *L, const char *root) {
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    luaL_register(L, NULL, pe_modules);
    lua_getfield(L, -2, "loaded");
    lua_createtable(L, 0, 2);
    lua_pushstring(L, PE_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushstring(L, root);
    lua_setfield(L, -2, "root");
    lua_setfield(L, -2, "engine");
    lua_pop(L, 3);
}

static int prepare(lua_State *L) {
    const char *root = lua_touserdata(L, 1);
    luaL_openlibs(L);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); // after the library jit, which turns it on
    set_paths(L, root);
    preload_modules(L, root);
    return 0;
}

int pe_vm_open(const char *root) {
    state = lua_newstate(pe_account_allocate, NULL);
    if (!state) return UV_ENOMEM;
    if (lua_cpcall(state, prepare, (void *)root)) return UV_ENOMEM;
    lua_pushcfunction(state, dispatch);
    pe_watchdog_open(state, root);
    return 0;
}

void pe_vm_close(void) {
    lua_close(state);
    state = NULL;
}

void pe_vm_unref(int reference) {
    luaL_unref(state, LUA_REGISTRYINDEX, reference);
}

bool pe_vm_is_entered(void) {
    return door.is_entered;
}

uv_loop_t *pe_vm_loop(void) {
    return uv_default_loop();
}

int pe_vm_fail(lua_State *L, int status, const char *format, ...) {
    va_list arguments;
    lua_pushnil(L);
    va_start(arguments, format);
    lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), uv_strerror(status));
    lua_remove(L, -2);
    lua_pushstring(L, uv_err_name(status));
    return 3;
}

int pe_vm_refuse(lua_State *L, const char *message, const char *code) {
    lua_pushnil(L);
    lua_pushstring(L, message);
    lua_pushstring(L, code);
    return 3;
}

static int l_gc(lua_State *L) {
    void **box = lua_touserdata(L, 1), *pointer = *box;
    void (*release)(void *pointer) = (void (*)(void *))lua_touserdata(L, lua_upvalueindex(1));
    *box = NULL;
    if (pointer) release(pointer);
    return 0;
}

void pe_vm_class(lua_State *L, const char *name, void (*release)(void *pointer), const luaL_Reg *methods) {
    luaL_newmetatable(L, name);
    if (release) {
        lua_pushlightuserdata(L, (void *)release);
        lua_pushcclosure(L, l_gc, 1);
        lua_setfield(L, -2, "__gc");
    }
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__metatable"); // user code sees a name, not the table it could break
    lua_newtable(L);
    for (; methods && methods->name; methods++) {
        lua_pushvalue(L, -2);
        lua_pushcclosure(L, methods->func, 1);
        lua_setfield(L, -2, methods->name);
    }
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

int pe_vm_module(lua_State *L, const luaL_Reg *functions, const char *class) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    if (!class) return 1;
    luaL_getmetatable(L, class);
    lua_getfield(L, -1, "__index");
    lua_setfield(L, -3, "methods");
    lua_pop(L, 1);
    return 1;
}

void *pe_vm_object(lua_State *L, const char *name, size_t size) {
    void *object = memset(lua_newuserdata(L, size), 0, size);
    luaL_getmetatable(L, name);
    lua_setmetatable(L, -2);
    return object;
}

void *pe_vm_pointer(lua_State *L, int index, const char *name) {
    void **box = luaL_checkudata(L, index, name);
    if (!*box) luaL_error(L, "this %s has been collected", name);
    return *box;
}
