// SPDX-License-Identifier: MIT
// The tree of owners. A scope's memory goes with the last of those that point to it.
#include "scope.h"
#include "account.h"
#include "handle.h"
#include "modules.h"
#include "task.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char box_name[] = "scope";

struct pe_scope *pe_scope_new(struct pe_scope *parent, const char *label, double deadline, struct pe_account *account) {
    if (parent && parent->closed) return NULL;
    struct pe_scope *scope = calloc(1, sizeof *scope);
    if (!scope) return NULL;
    if (!label) label = pe_scope_label(parent);
    if (!(scope->label = strdup(label))) return free(scope), NULL;
    scope->parent = parent;
    scope->account = pe_account_hold(account ? account : parent ? parent->account : pe_account_engine());
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
    pe_account_release(scope->account);
    free(scope->label);
    free(scope);
}

// Marks as closed the way down to a scope without children, and returns that.
static struct pe_scope *close_way_down(struct pe_scope *scope) {
    scope->closed = true;
    while (!LIST_EMPTY(&scope->children)) {
        scope = LIST_FIRST(&scope->children);
        scope->closed = true;
    }
    return scope;
}

static void end(struct pe_scope *scope) {
    pe_task_drop_all(scope);
    pe_handle_close_all(scope);
    if (scope->parent) LIST_REMOVE(scope, sibling);
    scope->parent = NULL;
    pe_scope_release(scope);
}

// Children first, and without recursion: a function that calls itself by `timeout` makes a tree as deep as memory lets.
void pe_scope_close(struct pe_scope *scope) {
    if (scope->closed) return;
    for (struct pe_scope *next = scope, *last; next; end(last)) {
        last = close_way_down(next);
        next = last == scope ? NULL : last->parent;
    }
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
    return scope ? scope->label : "engine";
}

struct pe_scope *pe_scope_check(lua_State *L, int index) {
    return pe_vm_pointer(L, index, box_name);
}

// Pushes a child of `parent` for the label, seconds and account at `index` and above.
static int push_child(lua_State *L, struct pe_scope *parent, int index) {
    const char *label = luaL_optstring(L, index, NULL);
    double seconds = luaL_optnumber(L, index + 1, INFINITY);
    struct pe_account *account = pe_account_opt(L, index + 2);
    struct pe_scope **box = pe_vm_object(L, box_name, sizeof *box);
    if (parent->closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    *box = pe_scope_new(parent, label, (double)uv_hrtime() / 1e9 + seconds, account);
    if (!*box) luaL_error(L, "not enough memory for a scope");
    return 1;
}

// new(label?, seconds?, account?): a child of the running task's scope; `seconds` from now its owner will close it.
static int l_new(lua_State *L) {
    return push_child(L, pe_task_check_scope(L), 1);
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

static void release(void *scope) {
    pe_scope_release(scope);
}

// How many handles are open in the process.
static int l_handles(lua_State *L) {
    lua_pushinteger(L, pe_handle_count());
    return 1;
}

static double limit(const struct pe_scope *scope, double timeout) {
    double deadline = HUGE_VAL;
    for (; scope; scope = scope->parent) deadline = fmin(deadline, scope->deadline);
    return fmax(0.001, fmin(timeout, 0.9 * (deadline - (double)uv_hrtime() / 1e9)));
}

// timeout(seconds) -> what an operation of the running task that wants so long gets: at most nine tenths of what its
// scopes have left, so that its own message comes before their end.
static int l_timeout(lua_State *L) {
    lua_pushnumber(L, limit(pe_task_scope(), luaL_checknumber(L, 1)));
    return 1;
}

static const luaL_Reg methods[] = {{"child", l_child},         {"spawn", l_spawn},     {"close", l_close},
                                   {"is_closed", l_is_closed}, {"hand_up", l_hand_up}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"new", l_new}, {"handles", l_handles}, {"timeout", l_timeout}, {NULL, NULL}};

int luaopen_engine_scope(lua_State *L) {
    pe_vm_class(L, box_name, release, methods);
    return pe_vm_module(L, functions, box_name);
}
