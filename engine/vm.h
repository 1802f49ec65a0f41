// SPDX-License-Identifier: MIT
/// The one Lua state on the one loop, and the one door through which C enters it.
/// Invariant: whatever can raise runs inside pe_vm_enter, and nothing enters twice.
#pragma once

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <uv.h>

// These never return, which Lua's headers leave unsaid: the analyser then knows what a check before one proves.
int lua_error(lua_State *L) __attribute__((noreturn));
int luaL_error(lua_State *L, const char *format, ...) __attribute__((noreturn));
int luaL_argerror(lua_State *L, int argument, const char *message) __attribute__((noreturn));

/// What runs inside the door, on the entering state; may raise.
typedef void (*pe_vm_body)(lua_State *L, void *argument);

/// Creates the state: libraries, `engine.*` modules, module paths under `root` (the folder that holds `lua/`).
/// Returns 0, or UV_ENOMEM. Called once.
int pe_vm_open(const char *root);

/// Closes the state. The loop must be closed already, so that no callback can come.
void pe_vm_close(void);

/// The loop. Valid for the whole life of the process.
uv_loop_t *pe_vm_loop(void);

/// Enters Lua from a libuv callback: runs `body` protected, then resumes the tasks that became ready.
/// An error of `body` is logged. Returns 0, or the Lua status of that error.
int pe_vm_enter(pe_vm_body body, void *argument);

/// The two halves of that, for a caller that has more to do in between.
int pe_vm_protect(pe_vm_body body, void *argument);
void pe_vm_run_ready(void);

/// Releases a registry reference; from anywhere.
void pe_vm_unref(int reference);

/// Whether the door is open, that is, Lua runs below the caller.
bool pe_vm_is_entered(void);

/// Pushes `nil, "<text>: <reason>", "<code>"` for a negative libuv status and returns 3.
int pe_vm_fail(lua_State *L, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/// Pushes `nil, message, code` and returns 3.
int pe_vm_refuse(lua_State *L, const char *message, const char *code);

/// Makes the metatable `name`, closed to user code, with `methods`, each of which has it as upvalue 1. `release` gets
/// what a userdata of the class points to, once, when Lua has forgotten it. Both may be NULL.
void pe_vm_class(lua_State *L, const char *name, void (*release)(void *pointer), const luaL_Reg *methods);

/// Pushes a module's table of `functions`, and `methods`, those of `class` (NULL: none). Returns 1, as luaopen does.
int pe_vm_module(lua_State *L, const luaL_Reg *functions, const char *class);

/// Pushes a new userdata of that class, all zero. Raises without memory.
void *pe_vm_object(lua_State *L, const char *name, size_t size);

/// What the userdata at `index` of that class points to. Raises if it is something else, or has been finalized: another
/// finalizer may still call it.
void *pe_vm_pointer(lua_State *L, int index, const char *name);
