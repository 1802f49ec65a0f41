// SPDX-License-Identifier: MIT
// Handle boxes: counted by Lua (userdata) and libuv (until close_cb), and charged to whoever made them.
#include "handle.h"
#include "account.h"
#include <string.h>

static int open_handles;

static void release(struct pe_handle *handle) {
    if (--handle->references > 0) return;
    if (handle->class->on_free) handle->class->on_free(handle);
    pe_account_allocate(NULL, handle, handle->size, 0);
}

static void on_closed(uv_handle_t *uv) {
    release(uv->data);
}

// Lua has forgotten it.
static void abandon(void *handle) {
    pe_handle_close(handle);
    release(handle);
}

static int l_tostring(lua_State *L) {
    struct pe_handle *handle = pe_handle_self(L);
    lua_pushfstring(L, "%s: %p%s", handle->class->name, (void *)handle, handle->closed ? " (closed)" : "");
    return 1;
}

void pe_handle_register(lua_State *L, const struct pe_handle_class *class, const luaL_Reg *methods) {
    pe_vm_class(L, class->name, abandon, methods);
    luaL_getmetatable(L, class->name);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, l_tostring, 1);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
}

void *pe_handle_new(lua_State *L, const struct pe_handle_class *class, size_t size) {
    pe_task_check_scope(L);
    struct pe_handle **box = pe_vm_object(L, class->name, sizeof *box);
    struct pe_handle *handle = pe_account_allocate(NULL, NULL, 0, size);
    if (!handle) luaL_error(L, "not enough memory");
    memset(handle, 0, size);
    handle->class = class;
    handle->size = size;
    handle->references = 1;
    *box = handle;
    return handle;
}

bool pe_handle_open(struct pe_handle *handle, uv_handle_t *uv) {
    struct pe_scope *scope = pe_task_scope();
    handle->uv = uv;
    uv->data = handle;
    handle->references++;
    handle->scope = scope;
    pe_scope_hold(scope);
    LIST_INSERT_HEAD(&scope->handles, handle, sibling);
    open_handles++;
    scope->account->handles++;
    if (scope->closed) pe_handle_close(handle);
    return !handle->closed;
}

void *pe_handle_self(lua_State *L) {
    struct pe_handle **box = lua_touserdata(L, 1);
    if (!box || !lua_getmetatable(L, 1) || !lua_rawequal(L, -1, lua_upvalueindex(1))) {
        const char *found = luaL_typename(L, 1);
        lua_getfield(L, lua_upvalueindex(1), "__metatable");
        luaL_error(L, "expected a %s as self, found a %s: call the method with a colon", lua_tostring(L, -1), found);
    }
    lua_pop(L, 1);
    if (!*box) luaL_error(L, "this handle has been collected");
    return *box;
}

int pe_handle_wait(lua_State *L, struct pe_handle *handle) {
    if (handle->waiter.task) luaL_error(L, "another task waits for this %s already", handle->class->name);
    if (handle->closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    return pe_task_may_wait(L) ? pe_task_suspend(L, &handle->waiter, NULL) : lua_yield(L, 0);
}

void pe_handle_close(struct pe_handle *handle) {
    if (handle->closed) return;
    handle->closed = true;
    if (!handle->uv) return;
    struct pe_scope *scope = handle->scope;
    LIST_REMOVE(handle, sibling);
    handle->scope = NULL;
    open_handles--;
    scope->account->handles--;
    uv_close(handle->uv, on_closed);
    if (handle->class->on_close) handle->class->on_close(handle);
    pe_task_wake_closed(&handle->waiter);
    pe_scope_release(scope);
}

void pe_handle_close_all(struct pe_scope *scope) {
    struct pe_handle *handle;
    while ((handle = LIST_FIRST(&scope->handles))) pe_handle_close(handle);
}

void pe_handle_move_all(struct pe_scope *from, struct pe_scope *to) {
    struct pe_handle *handle;
    while ((handle = LIST_FIRST(&from->handles))) {
        LIST_REMOVE(handle, sibling);
        LIST_INSERT_HEAD(&to->handles, handle, sibling);
        handle->scope = to;
        from->account->handles--, to->account->handles++;
        pe_scope_hold(to);
        pe_scope_release(from);
    }
}

int pe_handle_l_close(lua_State *L) {
    pe_handle_close(pe_handle_self(L));
    return 0;
}

int pe_handle_count(void) {
    return open_handles;
}
