// SPDX-License-Identifier: MIT
/// Who runs next: accounts take turns, so that the many tasks of one do not hold up those of another, and the loop gets
/// its turn after so many tasks or so much time.
#pragma once

#include <lua.h>
#include <sys/queue.h>

struct pe_account;

/// First member of each task. Its account is NULL while it is not ready.
struct pe_ready {
    TAILQ_ENTRY(pe_ready) next;
    struct pe_account *account;
};

TAILQ_HEAD(pe_ready_queue, pe_ready);

/// Makes it the last of its account's; takes it out again, if it is in.
void pe_turn_add(struct pe_ready *ready, struct pe_account *account);
void pe_turn_remove(struct pe_ready *ready);

/// Resumes those that are ready, some now and the rest a loop turn later. For bodies inside the door, between two
/// results.
void pe_turn_run(lua_State *L);

/// Has all garbage collected in a turn of the engine's own. Touches no Lua.
void pe_turn_collect(void);

/// Before the loop closes.
void pe_turn_shut_down(void);
