// SPDX-License-Identifier: MIT
/// Accounts: who work is charged to. Each scope has one, its parent's unless it was given another; the root's is the
/// engine's, which has no limits.
///   owner    whose the memory is that Lua takes now
///   running  whose code runs now: time is charged to it, and memory refused
/// Invariant: where no task is resumed, both are the engine's, and nothing is refused.
#pragma once

#include "turn.h"
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct pe_account {
    char *label;                 // who this is in messages: "provider dns"
    double budget;               // seconds of CPU time that one resume may take; 0: no limit
    size_t memory_limit;         // bytes; SIZE_MAX: no limit
    size_t bytes;                // of live blocks
    double cpu;                  // seconds so far
    int tasks, handles;          // alive
    int interrupted;             // resumes that were ended for their time
    int refused;                 // … for their memory; and blocks refused
    size_t wanted;               // by the block refused last
    bool is_heavy;               // its last resume took long: others go first
    struct pe_ready_queue ready; // tasks; it stands in turn.c's queue while there are any
    TAILQ_ENTRY(pe_account) next;
    int references; // scopes, userdata, the resume under way. Blocks count by `bytes`: it lives until both are 0
};

/// The engine's.
struct pe_account *pe_account_engine(void);

/// Whose code runs; the engine's where no task with another is resumed. Also for signal handlers.
struct pe_account *pe_account_running(void);

struct pe_account *pe_account_hold(struct pe_account *account);
void pe_account_release(struct pe_account *account);

/// The account at `index`; raises if it is something else. NULL if there is none.
struct pe_account *pe_account_opt(lua_State *L, int index);

/// The allocator of the state, and of the boxes of handles. Each block is its owner's until it is freed, also when
/// another has it grow.
void *pe_account_allocate(void *unused, void *block, size_t old_size, size_t new_size);

/// Whose the memory is from now on, until a resume or the door ends; never refused. For results on their way to a task.
void pe_account_charge(struct pe_account *account);

/// Around each resume.
void pe_account_begin(struct pe_account *account);
void pe_account_end(struct pe_account *account);

/// Pushes the message of a refusal: what it holds, wanted, and may have.
void pe_account_push_refusal(lua_State *L, const struct pe_account *account);

/// The engine has something to do in the middle of a resume: returns whose, to go on with.
struct pe_account *pe_account_pause(void);
void pe_account_go_on(struct pe_account *account);
