// SPDX-License-Identifier: MIT
/// Handles: a Lua userdata over a heap box over one libuv handle. The box may outlive the userdata and the other way
/// round. Invariant: memory goes when both Lua and libuv have let go of it; the descriptor goes at pe_handle_close.
#pragma once

#include "task.h"

struct pe_handle;

struct pe_handle_class {
    const char *name;                           // "udp socket": the metatable's name, and the word in messages
    void (*on_close)(struct pe_handle *handle); // after uv_close: close what libuv does not; may be NULL
    void (*on_free)(struct pe_handle *handle);  // free what the box points to; may be NULL
};

/// First member of each handle's own struct.
struct pe_handle {
    struct pe_wait waiter; // for classes for which one task waits at a time; woken when the handle closes
    const struct pe_handle_class *class;
    struct pe_scope *scope; // owner; NULL before it is opened and once closed
    uv_handle_t *uv;        // NULL before it is opened
    size_t size;            // of the box, in bytes
    LIST_ENTRY(pe_handle) sibling;
    int references; // userdata 1, libuv 1
    bool closed;
};

/// Makes the class's metatable with `methods`; each method has it as upvalue 1. Called once per class by luaopen.
void pe_handle_register(lua_State *L, const struct pe_handle_class *class, const luaL_Reg *methods);

/// Pushes the userdata of a new zeroed box of `size` bytes. Raises without memory, or where no task runs. Not open yet:
/// collected, it just goes.
void *pe_handle_new(lua_State *L, const struct pe_handle_class *class, size_t size);

/// Right after uv_*_init of `uv` (a member of the box; its `data` is set): the running task's scope owns it from now
/// on. If that scope is closed the handle is closed at once, and false returned.
bool pe_handle_open(struct pe_handle *handle, uv_handle_t *uv);

/// Self of a method, open or closed. Raises if it is something else, or has been collected.
void *pe_handle_self(lua_State *L);

/// Suspends the running task until `waiter` is woken: `return pe_handle_wait(L, handle);`. Raises if another waits;
/// gives `nil, "closed", "ECANCELED"` if it is closed.
int pe_handle_wait(lua_State *L, struct pe_handle *handle);

/// Closes: at once as seen from outside, memory later. May be called again.
void pe_handle_close(struct pe_handle *handle);

/// Closes all of a scope; moves them to another. For scope.c.
void pe_handle_close_all(struct pe_scope *scope);
void pe_handle_move_all(struct pe_scope *from, struct pe_scope *to);

/// handle:close(), for method tables.
int pe_handle_l_close(lua_State *L);

/// How many are open in the process.
int pe_handle_count(void);
