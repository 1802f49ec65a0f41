// SPDX-License-Identifier: MIT
// Accounts with ready tasks stand in a queue, and their tasks in one of each account's own.
#include "turn.h"
#include "account.h"
#include "task.h"
#include "vm.h"
#include "watchdog.h"

enum { RESUMES_PER_TURN = 128, TICKS_PER_TURN = 2 };

static TAILQ_HEAD(, pe_account) accounts = TAILQ_HEAD_INITIALIZER(accounts);
static uv_idle_t next_turn;                 // active while tasks are ready and nobody is about to resume them
static bool is_collection_due, is_own_turn; // own: that of the ready tasks, not that of a descriptor or a timer

static void collect(lua_State *L, void *unused) {
    (void)unused;
    is_collection_due = false;
    lua_gc(L, LUA_GCCOLLECT, 0);
    lua_gc(L, LUA_GCCOLLECT, 0); // what a finalized userdata held, as an ended task does, goes with the second
}

static void on_next_turn(uv_idle_t *idle) {
    uv_idle_stop(idle);
    is_own_turn = true;
    pe_vm_run_ready();
    is_own_turn = false;
    if (is_collection_due && TAILQ_EMPTY(&accounts)) pe_vm_enter(collect, NULL); // nobody holds it any more
}

static void ask_for_turn(void) {
    if (!next_turn.loop) uv_idle_init(pe_vm_loop(), &next_turn);
    uv_idle_start(&next_turn, on_next_turn);
}

void pe_turn_collect(void) {
    is_collection_due = true;
    ask_for_turn();
}

void pe_turn_add(struct pe_ready *ready, struct pe_account *account) {
    ready->account = account;
    if (TAILQ_EMPTY(&account->ready)) TAILQ_INSERT_TAIL(&accounts, account, next);
    TAILQ_INSERT_TAIL(&account->ready, ready, next);
    if (!pe_vm_is_entered()) ask_for_turn();
}

void pe_turn_remove(struct pe_ready *ready) {
    struct pe_account *account = ready->account;
    if (!account) return;
    ready->account = NULL;
    TAILQ_REMOVE(&account->ready, ready, next);
    if (TAILQ_EMPTY(&account->ready)) TAILQ_REMOVE(&accounts, account, next);
}

// Those whose tasks take long wait for a turn of its own: until no others are ready, or until its end, so that they
// come on. NULL if there are only such ones, and it is not theirs.
static struct pe_ready *take(bool is_last) {
    struct pe_account *account = TAILQ_FIRST(&accounts);
    while (account && account->is_heavy && !is_last) account = TAILQ_NEXT(account, next);
    if (!account && !is_own_turn) return NULL;
    if (!account) account = TAILQ_FIRST(&accounts);
    struct pe_ready *ready = TAILQ_FIRST(&account->ready);
    TAILQ_REMOVE(&accounts, account, next);
    TAILQ_INSERT_TAIL(&accounts, account, next);
    pe_turn_remove(ready);
    return ready;
}

void pe_turn_run(lua_State *L) {
    unsigned first_tick = pe_watchdog_ticks();
    if (TAILQ_EMPTY(&accounts)) return;
    ask_for_turn(); // first: should one raise in here, the others have their turn all the same
    for (int i = 1, is_last = 0; !is_last && !TAILQ_EMPTY(&accounts); i++) {
        unsigned tick = pe_watchdog_ticks();
        is_last = i == RESUMES_PER_TURN || tick - first_tick > TICKS_PER_TURN;
        struct pe_ready *ready = take(is_own_turn && is_last);
        if (!ready) return;
        pe_task_resume(L, ready);
        if (pe_watchdog_ticks() - tick > 1) is_own_turn = false; // one that takes long is enough for a turn
    }
    if (TAILQ_EMPTY(&accounts) && !is_collection_due) uv_idle_stop(&next_turn);
}

void pe_turn_shut_down(void) {
    if (next_turn.loop) uv_close((uv_handle_t *)&next_turn, NULL);
}
