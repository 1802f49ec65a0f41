// SPDX-License-Identifier: MIT
/// Scopes: the owners of tasks and handles, in a tree. Closing one ends all it owns, and its child scopes.
/// Invariant: a closed scope owns nothing and takes nothing new.
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <sys/queue.h>

struct pe_account;
struct pe_task;
struct pe_handle;

LIST_HEAD(pe_task_list, pe_task);
LIST_HEAD(pe_handle_list, pe_handle);
LIST_HEAD(pe_scope_list, pe_scope);

struct pe_scope {
    struct pe_scope *parent; // NULL for the root, and once closed
    struct pe_scope_list children;
    struct pe_task_list tasks;
    struct pe_handle_list handles;
    LIST_ENTRY(pe_scope) sibling;
    struct pe_account *account; // who pays for what runs in it; held
    char *label;                // who this is in the log, as in "provider dns"
    double deadline; // monotonic seconds at which its `timeout` closes it; infinite without, whatever its parents have
    int references;  // the tree 1, each task and handle 1, the Lua userdata 1
    bool closed;
};

/// A child of `parent` (NULL: the root). `label` is copied; NULL: that of the parent; so with `account`. The caller
/// gets one reference. Returns NULL without memory or if `parent` is closed.
struct pe_scope *pe_scope_new(struct pe_scope *parent, const char *label, double deadline, struct pe_account *account);

void pe_scope_hold(struct pe_scope *scope);
void pe_scope_release(struct pe_scope *scope);

/// Ends everything in it; may be called again. The running task, if it is in it, ends at its next wait.
void pe_scope_close(struct pe_scope *scope);

/// Its label; "engine" for NULL. Valid as long as the scope is.
const char *pe_scope_label(const struct pe_scope *scope);

/// The scope at `index`; raises if it is something else.
struct pe_scope *pe_scope_check(lua_State *L, int index);
