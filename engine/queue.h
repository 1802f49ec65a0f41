// SPDX-License-Identifier: MIT
/// Queues of tasks that wait for one another, first come, first served: who joins a task stands in one, and who pops
/// from a queue of engine/queue.lua, which adds the values. Invariant: a task that is dropped leaves its queue.
#pragma once

#include "task.h"

struct pe_queue {
    TAILQ_HEAD(, pe_place) places;
};

/// Where a task stands. Each task has one: it waits for one thing at a time.
struct pe_place {
    struct pe_wait wait;
    struct pe_queue *queue;
    TAILQ_ENTRY(pe_place) next;
};

void pe_queue_init(struct pe_queue *queue);

/// Suspends the running task as the last of `queue`: `return pe_queue_wait(L, queue);`. Index 1 keeps `queue` alive.
int pe_queue_wait(lua_State *L, struct pe_queue *queue);

/// Wakes the first with the `count` (at most 8) values on top of `L`, and pops them. False: nobody waits, and they are
/// still there. For callers inside the door.
bool pe_queue_wake(lua_State *L, struct pe_queue *queue, int count);
