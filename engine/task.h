// SPDX-License-Identifier: MIT
/// Tasks: Lua coroutines that wait for one operation at a time.
///   task   a coroutine owned by a scope
///   wait   the place in an operation's own struct where the waiting task stands
///   wake   hands a waiting task its results and queues it; the door resumes it
/// Invariant: a task is resumed at most once per operation, never inside another resume, never after its scope closed.
#pragma once

#include "scope.h"
#include "turn.h"
#include "vm.h"
#include <stdbool.h>
#include <sys/queue.h>

struct pe_place;
struct pe_task;

/// Embedded in an operation. All zero: nobody waits.
struct pe_wait {
    struct pe_task *task;                  // who waits; NULL: nobody (any more)
    void (*abandon)(struct pe_wait *wait); // the task is gone: stop the operation or let it end unheard; never wakes
};

/// Pushes what an operation gives to its task and returns how many values (at most 8). Runs inside the door; may raise.
/// NULL: nothing.
typedef int (*pe_push)(lua_State *L, void *operation);

/// Starts the function under `count` arguments on top of `L` as a task of `scope`; pops them in every case.
/// It runs when the door next resumes tasks. Returns NULL if `scope` is closed. Raises without memory.
struct pe_task *pe_task_spawn(lua_State *L, struct pe_scope *scope, int count);

/// The scope of the task that runs now: the owner of what it makes. NULL where none runs, as in a finalizer.
struct pe_scope *pe_task_scope(void);

/// The same; raises where none runs.
struct pe_scope *pe_task_check_scope(lua_State *L);

/// Each binding that waits asks first. Raises where nothing may wait (inside require, table.sort, a coroutine of the
/// caller's own). False: the task's scope is closed; start nothing and `return lua_yield(L, 0)`.
bool pe_task_may_wait(lua_State *L);

/// Suspends the running task until `wait` is woken: `return pe_task_suspend(L, &operation->wait, abandon);`
/// The value at index 1 (a method's self) stays alive meanwhile. `abandon` may be NULL when nothing is to be done.
int pe_task_suspend(lua_State *L, struct pe_wait *wait, void (*abandon)(struct pe_wait *wait));

/// Wakes whoever waits with the `count` (at most 8) values on top of `L`; pops them in every case. For callers inside
/// the door.
void pe_task_wake(lua_State *L, struct pe_wait *wait, int count);

/// Wakes whoever waits with `nil, "closed", "ECANCELED"`. For a handle that closes; from anywhere, it touches no Lua.
void pe_task_wake_closed(struct pe_wait *wait);

/// Makes the results with `push`, charged to the task that waits, and wakes it. Does nothing if nobody waits. For
/// callers inside the door.
void pe_task_deliver(lua_State *L, struct pe_wait *wait, pe_push push, void *operation);

/// Ends an operation from a libuv callback: enters Lua, makes the results with `push`, wakes the task, resumes it.
/// Does nothing if nobody waits. If `push` raises, the task gets `nil, message, "ENOMEM"`.
void pe_task_finish(struct pe_wait *wait, pe_push push, void *operation);

/// The running task's place in a queue. For queue.c.
struct pe_place *pe_task_place(void);

/// Resumes a task that was ready. For turn.c.
void pe_task_resume(lua_State *L, struct pe_ready *ready);

/// Drops all tasks of a scope that closes: their operations are abandoned, they are never resumed; one that runs is
/// dropped at its next wait. For scope.c.
void pe_task_drop_all(struct pe_scope *scope);

/// Moves them to another scope. For scope.c.
void pe_task_move_all(struct pe_scope *from, struct pe_scope *to);

/// Has `on_end` called, inside the door, when `task` ends in any way, with its stack: results, or an error and its
/// traceback.
void pe_task_on_end(struct pe_task *task, void (*on_end)(lua_State *results, bool is_ok));

/// Spawns the function under `count` arguments on top of `L` into `scope`; pushes the task for Lua, or
/// `nil, "closed", "ECANCELED"`. Returns how many values. For scope.c.
int pe_task_l_spawn(lua_State *L, struct pe_scope *scope, int count);
