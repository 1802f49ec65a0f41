// SPDX-License-Identifier: MIT
// The tree of owners. A scope's memory goes with the last of those that point to it.
#include "scope.h"
#include "handle.h"
#include "task.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char box_name[] = "scope";

struct pe_scope *pe_scope_new(struct pe_scope *parent, const char *label, double deadline) {
    if (parent && parent->closed) return NULL;
    struct pe_scope *scope = calloc(1, sizeof *scope);
    if (!scope) return NULL;
    if (label && !(scope->label = strdup(label))) return free(scope), NULL;
    scope->parent = parent;
    scope->deadline = deadline;
    scope->references = 2;
    if (parent) LIST_INSERT_HEAD(&parent->children, scope, sibling);
    return scope;
}

void pe_scope_hold(struct pe_scope *scope) {
    scope->references++;
}

void pe_scope_release(struct pe_scope *scope) {
    if (--scope->references > 0) return;
    free(scope->label);
    free(scope);
}

void pe_scope_close(struct pe_scope *scope) {
    if (scope->closed) return;
    struct pe_scope *child;
    scope->closed = true;
    // A listed child has a parent, so closing takes it off the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
    while ((child = LIST_FIRST(&scope->children))) pe_scope_close(child);
    pe_task_drop_all(scope);
    pe_handle_close_all(scope);
    if (scope->parent) LIST_REMOVE(scope, sibling);
    scope->parent = NULL;
    pe_scope_release(scope);
}

// Gives all it owns to its parent, and closes.
static void hand_up(struct pe_scope *scope) {
    struct pe_scope *parent = scope->parent, *child;
    if (scope->closed || !parent) return;
    pe_task_move_all(scope, parent);
    pe_handle_move_all(scope, parent);
    while ((child = LIST_FIRST(&scope->children))) {
        LIST_REMOVE(child, sibling);
        LIST_INSERT_HEAD(&parent->children, child, sibling);
        child->parent = parent;
    }
    pe_scope_close(scope);
}

const char *pe_scope_label(const struct pe_scope *scope) {
    for (; scope; scope = scope->parent)
        if (scope->label) return scope->label;
    return "engine";
}

double pe_scope_timeout(const struct pe_scope *scope, double timeout) {
    double deadline = HUGE_VAL;
    for (; scope; scope = scope->parent) deadline = fmin(deadline, scope->deadline);
    return fmax(0.001, fmin(timeout, 0.9 * (deadline - (double)uv_hrtime() / 1e9)));
}

struct pe_scope *pe_scope_check(lua_State *L, int index) {
    return *(struct pe_scope **)luaL_checkudata(L, index, box_name);
}

// Pushes a child of `parent` for the label and seconds at `index` and above.
static int push_child(lua_State *L, struct pe_scope *parent, int index) {
    const char *label = luaL_optstring(L, index, NULL);
    double seconds = luaL_optnumber(L, index + 1, INFINITY);
    struct pe_scope **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, box_name);
    lua_setmetatable(L, -2);
    if (parent->closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    *box = pe_scope_new(parent, label, (double)uv_hrtime() / 1e9 + seconds);
    if (!*box) luaL_error(L, "not enough memory for a scope");
    return 1;
}

// new(label?, seconds?): a child of the running task's scope; `seconds` from now its owner will close it.
static int l_new(lua_State *L) {
    return push_child(L, pe_task_scope(), 1);
}

static int l_child(lua_State *L) {
    return push_child(L, pe_scope_check(L, 1), 2);
}

static int l_spawn(lua_State *L) {
    struct pe_scope *scope = pe_scope_check(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    return pe_task_l_spawn(L, scope, lua_gettop(L) - 2);
}

static int l_close(lua_State *L) {
    pe_scope_close(pe_scope_check(L, 1));
    return 0;
}

static int l_is_closed(lua_State *L) {
    lua_pushboolean(L, pe_scope_check(L, 1)->closed);
    return 1;
}

static int l_hand_up(lua_State *L) {
    hand_up(pe_scope_check(L, 1));
    return 0;
}

static int l_gc(lua_State *L) {
    struct pe_scope **box = lua_touserdata(L, 1);
    if (*box) pe_scope_release(*box);
    *box = NULL;
    return 0;
}

// How many handles are open in the process.
static int l_handles(lua_State *L) {
    lua_pushinteger(L, pe_handle_count());
    return 1;
}

// timeout(seconds) -> what an operation of the running task that wants so long gets.
static int l_timeout(lua_State *L) {
    lua_pushnumber(L, pe_scope_timeout(pe_task_scope(), luaL_checknumber(L, 1)));
    return 1;
}

static const luaL_Reg methods[] = {{"child", l_child},         {"spawn", l_spawn},     {"close", l_close},
                                   {"is_closed", l_is_closed}, {"hand_up", l_hand_up}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"new", l_new}, {"handles", l_handles}, {"timeout", l_timeout}, {NULL, NULL}};

int luaopen_engine_scope(lua_State *L) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    pe_vm_class(L, box_name, l_gc, methods);
    lua_setfield(L, -2, "methods");
    return 1;
}
