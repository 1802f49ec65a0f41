// SPDX-License-Identifier: MIT
// Coroutines that wait for one operation each.
#include "task.h"
#include "account.h"
#include "log.h"
#include "modules.h"
#include "queue.h"
#include <assert.h>
#include <stdlib.h>

enum state { READY, RUNNING, WAITING, FINISHED, FAILED, DROPPED };

struct pe_task {
    struct pe_ready ready;
    lua_State *L;
    struct pe_scope *scope; // NULL once it ended
    struct pe_wait *wait;   // what it waits for
    enum state state;
    int anchor;     // registry reference to the coroutine; released when the task ends
    int references; // the engine 1 until it ends, the Lua userdata 1
    int arguments;  // values on top of its stack for the next resume
    bool is_closed; // what it waited for was closed: resume with `nil, "closed", "ECANCELED"`
    bool is_doomed; // dropped while it ran: its next wait is its end
    void (*on_end)(lua_State *results, bool is_ok);
    struct pe_scope *inner; // closed when the task ends; NULL: none
    struct pe_queue joiners;
    struct pe_place place; // where it stands, if it waits in a queue
    LIST_ENTRY(pe_task) sibling;
};

static struct pe_task *running;
static int alive, raised;

static void make_ready(struct pe_task *task) {
    task->state = READY;
    pe_turn_add(&task->ready, task->scope->account);
}

struct pe_task *pe_task_spawn(lua_State *L, struct pe_scope *scope, int count) {
    if (scope->closed) return lua_pop(L, count + 1), NULL;
    lua_State *coroutine = lua_newthread(L);
    int anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    struct pe_task *task = lua_checkstack(coroutine, count + 1) ? calloc(1, sizeof *task) : NULL;
    if (!task) {
        luaL_unref(L, LUA_REGISTRYINDEX, anchor);
        luaL_error(L, "not enough memory for a task");
    }
    lua_xmove(L, coroutine, count + 1);
    *task = (struct pe_task){.L = coroutine, .scope = scope, .anchor = anchor, .references = 1, .arguments = count};
    pe_queue_init(&task->joiners);
    pe_scope_hold(scope);
    LIST_INSERT_HEAD(&scope->tasks, task, sibling);
    scope->account->tasks++;
    alive++;
    make_ready(task);
    return task;
}

struct pe_scope *pe_task_scope(void) {
    return running ? running->scope : NULL;
}

struct pe_place *pe_task_place(void) {
    return &running->place;
}

struct pe_scope *pe_task_check_scope(lua_State *L) {
    if (!running) luaL_error(L, "only a task may have tasks, scopes and handles, and none runs here");
    return running->scope;
}

static void release(void *pointer) {
    struct pe_task *task = pointer;
    if (--task->references == 0) free(task);
}

bool pe_task_may_wait(lua_State *L) {
    if (!running || L != running->L)
        luaL_error(
            L, "this would wait, which only a task may: not a coroutine of your own (engine.task.spawn makes tasks)");
    if (!lua_isyieldable(L))
        luaL_error(L, "this would wait, and nothing may wait inside require, table.sort or string.gsub: poll() may do "
                      "I/O; the top level of a provider may not");
    return !running->is_doomed;
}

int pe_task_suspend(lua_State *L, struct pe_wait *wait, void (*abandon)(struct pe_wait *wait)) {
    assert(!wait->task && !running->wait);
    wait->task = running;
    wait->abandon = abandon;
    running->wait = wait;
    lua_settop(L, 1);
    return lua_yield(L, 1);
}

// Takes the task off its operation.
static struct pe_task *detach(struct pe_wait *wait) {
    struct pe_task *task = wait->task;
    wait->task = NULL;
    if (task) task->wait = NULL;
    return task;
}

void pe_task_wake(lua_State *L, struct pe_wait *wait, int count) {
    struct pe_task *task = detach(wait);
    if (!task) return lua_pop(L, count);
    lua_settop(task->L, 0);
    if (count) lua_xmove(L, task->L, count);
    task->arguments = count;
    make_ready(task);
}

void pe_task_wake_closed(struct pe_wait *wait) {
    struct pe_task *task = detach(wait);
    if (!task) return;
    task->is_closed = true;
    make_ready(task);
}

void pe_task_deliver(lua_State *L, struct pe_wait *wait, pe_push push, void *operation) {
    if (!wait->task) return;
    pe_account_charge(wait->task->scope->account);
    int count = push ? push(L, operation) : 0;
    pe_account_charge(pe_account_engine());
    pe_task_wake(L, wait, count);
}

struct finishing {
    struct pe_wait *wait;
    pe_push push;
    void *operation;
};

static void finish(lua_State *L, void *argument) {
    struct finishing *ending = argument;
    pe_task_deliver(L, ending->wait, ending->push, ending->operation);
}

static void finish_without_memory(lua_State *L, void *wait) {
    pe_task_wake(L, wait, pe_vm_refuse(L, "not enough memory for the result", "ENOMEM"));
}

void pe_task_finish(struct pe_wait *wait, pe_push push, void *operation) {
    struct finishing ending = {wait, push, operation};
    if (!wait->task) return;
    if (pe_vm_protect(finish, &ending) && wait->task && pe_vm_protect(finish_without_memory, wait))
        pe_task_wake_closed(wait);
    pe_vm_run_ready();
}

// Has `scope` closed with the task, and the one before it at once if it is still open.
static void guard(struct pe_task *task, struct pe_scope *scope) {
    struct pe_scope *before = task->inner;
    task->inner = scope;
    if (scope) pe_scope_hold(scope);
    if (!before) return;
    pe_scope_close(before);
    pe_scope_release(before);
}

static void end(struct pe_task *task, enum state state) {
    struct pe_scope *scope = task->scope;
    task->state = state;
    task->scope = NULL;
    LIST_REMOVE(task, sibling);
    scope->account->tasks--;
    alive--;
    while (pe_queue_wake(NULL, &task->joiners, 0)) continue;
    guard(task, NULL);
    pe_vm_unref(task->anchor);
    if (task->on_end) task->on_end(task->L, state == FINISHED);
    release(task);
    pe_scope_release(scope);
}

// The error value is on top of the task's stack; puts a traceback above it. A number becomes text; not on that stack,
// since what allocates there may raise.
static void fail(lua_State *L, struct pe_task *task) {
    int top = lua_gettop(L);
    lua_xmove(task->L, L, 1);
    const char *message = lua_tostring(L, -1);
    luaL_traceback(L, task->L, NULL, 0);
    if (TAILQ_EMPTY(&task->joiners.places)) {
        raised++;
        if (!message) message = lua_pushfstring(L, "(the error is a %s, not a message)", luaL_typename(L, top + 1));
        pe_log_write(PE_LOG_ERROR, pe_scope_label(task->scope), message, lua_tostring(L, top + 2));
    }
    lua_settop(L, top + 2);
    lua_xmove(L, task->L, 2);
    end(task, FAILED);
}

// The bare "not enough memory" does not say whose limit it was.
static void explain(lua_State *L, struct pe_task *task) {
    pe_turn_collect();
    pe_account_push_refusal(L, task->scope->account);
    lua_pop(task->L, 1);
    lua_xmove(L, task->L, 1);
}

// Abandons its operation: it is never resumed. One that runs is dropped at its next wait.
static void drop(struct pe_task *task) {
    if (task->state == RUNNING) task->is_doomed = true;
    pe_turn_remove(&task->ready);
    if (task->state != READY && task->state != WAITING) return;
    struct pe_wait *wait = task->wait;
    if (wait) {
        detach(wait);
        if (wait->abandon) wait->abandon(wait);
    }
    end(task, DROPPED);
}

void pe_task_resume(lua_State *L, struct pe_ready *ready) {
    struct pe_task *task = (struct pe_task *)ready;
    int top = lua_gettop(L);
    task->state = RUNNING; // before what can raise: it is not in the queue any more
    if (task->is_closed) {
        lua_settop(task->L, 0);
        task->arguments = pe_vm_refuse(L, "closed", "ECANCELED");
        lua_xmove(L, task->L, task->arguments);
        task->is_closed = false;
    }
    int count = task->arguments;
    task->arguments = 0;
    struct pe_account *account = task->scope->account;
    running = task;
    pe_account_begin(account);
    int status = lua_resume(task->L, count);
    pe_account_end(account);
    running = NULL;
    if (status == LUA_YIELD && (task->wait || task->is_doomed)) {
        task->state = WAITING;
        if (task->is_doomed) drop(task);
    } else if (status == LUA_YIELD) {
        lua_settop(task->L, 0);
        lua_pushliteral(L, "coroutine.yield outside a coroutine of your own: a task waits by calling the engine");
        lua_xmove(L, task->L, 1);
        fail(L, task);
    } else if (status) {
        if (status == LUA_ERRMEM && account->wanted) explain(L, task);
        fail(L, task);
    } else {
        end(task, FINISHED);
    }
    lua_settop(L, top);
}

void pe_task_drop_all(struct pe_scope *scope) {
    struct pe_task *task = LIST_FIRST(&scope->tasks), *next;
    for (; task; task = next) {
        next = LIST_NEXT(task, sibling);
        drop(task);
    }
}

void pe_task_move_all(struct pe_scope *from, struct pe_scope *to) {
    struct pe_task *task;
    while ((task = LIST_FIRST(&from->tasks))) {
        LIST_REMOVE(task, sibling);
        LIST_INSERT_HEAD(&to->tasks, task, sibling);
        task->scope = to;
        from->account->tasks--, to->account->tasks++;
        pe_turn_remove(&task->ready);
        if (task->state == READY) pe_turn_add(&task->ready, to->account);
        pe_scope_hold(to);
        pe_scope_release(from);
    }
}

void pe_task_on_end(struct pe_task *task, void (*on_end)(lua_State *results, bool is_ok)) {
    task->on_end = on_end;
}

static const char box_name[] = "task";

static struct pe_task *check(lua_State *L) {
    return pe_vm_pointer(L, 1, box_name);
}

// The userdata's environment keeps the coroutine, and so the results, without a cycle through the registry.
int pe_task_l_spawn(lua_State *L, struct pe_scope *scope, int count) {
    int function = lua_gettop(L) - count;
    luaL_checktype(L, function, LUA_TFUNCTION);
    struct pe_task **box = pe_vm_object(L, box_name, sizeof *box);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, -1);
    lua_setfenv(L, -3);
    lua_insert(L, function);
    lua_insert(L, function);
    struct pe_task *task = pe_task_spawn(L, scope, count);
    if (!task) return pe_vm_refuse(L, "closed", "ECANCELED");
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->anchor);
    lua_rawseti(L, function + 1, 1);
    task->references++;
    *box = task;
    lua_settop(L, function);
    return 1;
}

static int l_spawn(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    return pe_task_l_spawn(L, pe_task_check_scope(L), lua_gettop(L) - 1);
}

static int l_cancel(lua_State *L) {
    drop(check(L));
    return 0;
}

static int l_is_finished(lua_State *L) {
    lua_pushboolean(L, check(L)->scope == NULL);
    return 1;
}

// Waits until the task has ended; gives nothing. `outcome` then has the results.
static int l_await(lua_State *L) {
    struct pe_task *task = check(L);
    if (task->scope == NULL) return 0;
    if (task == running) luaL_error(L, "a task cannot wait for itself");
    return pe_queue_wait(L, &task->joiners);
}

// Of an ended task: true and its results; false, the error and a traceback; or nil, "closed", "ECANCELED".
static int l_outcome(lua_State *L) {
    struct pe_task *task = check(L);
    if (task->state != FINISHED && task->state != FAILED) return pe_vm_refuse(L, "closed", "ECANCELED");
    int count = task->state == FAILED ? 2 : lua_gettop(task->L);
    luaL_checkstack(L, count + 2, "too many results");
    lua_pushboolean(L, task->state == FINISHED);
    for (int i = count; i >= 1; i--) {
        lua_pushvalue(task->L, -i);
        lua_xmove(task->L, L, 1);
    }
    return count + 1;
}

// may_wait(): raises where nothing may wait, for what starts other things before it does.
static int l_may_wait(lua_State *L) {
    pe_task_may_wait(L);
    return 0;
}

// guard(scope?): the scope of a `timeout` or `all` ends with the task that waits in it, also when that is cancelled.
static int l_guard(lua_State *L) {
    pe_task_may_wait(L);
    guard(running, lua_isnoneornil(L, 1) ? NULL : pe_scope_check(L, 1));
    return 0;
}

// coroutine.running(), but nil in a task, as in a main program: who resumed a task's coroutine would corrupt its stack.
static int l_running(lua_State *L) {
    if (!running || L == running->L || lua_pushthread(L)) lua_pushnil(L);
    return 1;
}

// How many tasks live; how many have raised with nobody to hear it.
static int l_stats(lua_State *L) {
    lua_pushinteger(L, alive);
    lua_pushinteger(L, raised);
    return 2;
}

static const luaL_Reg methods[] = {{"cancel", l_cancel}, {"is_finished", l_is_finished}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"spawn", l_spawn},     {"await", l_await}, {"outcome", l_outcome},
                                     {"guard", l_guard},     {"stats", l_stats}, {"may_wait", l_may_wait},
                                     {"running", l_running}, {NULL, NULL}};

int luaopen_engine_task(lua_State *L) {
    pe_vm_class(L, box_name, release, methods);
    return pe_vm_module(L, functions, box_name);
}
