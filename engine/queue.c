// SPDX-License-Identifier: MIT
// Queues of tasks, and the C half of engine.queue.
#include "queue.h"
#include "modules.h"

static const char class_name[] = "queue";

static void leave(struct pe_wait *wait) {
    struct pe_place *place = (struct pe_place *)wait;
    TAILQ_REMOVE(&place->queue->places, place, next);
}

void pe_queue_init(struct pe_queue *queue) {
    TAILQ_INIT(&queue->places);
}

int pe_queue_wait(lua_State *L, struct pe_queue *queue) {
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    struct pe_place *place = pe_task_place();
    place->queue = queue;
    TAILQ_INSERT_TAIL(&queue->places, place, next);
    return pe_task_suspend(L, &place->wait, leave);
}

bool pe_queue_wake(lua_State *L, struct pe_queue *queue, int count) {
    struct pe_place *first = TAILQ_FIRST(&queue->places);
    if (!first) return false;
    leave(&first->wait);
    pe_task_wake(L, &first->wait, count);
    return true;
}

static int l_new(lua_State *L) {
    pe_queue_init(pe_vm_object(L, class_name, sizeof(struct pe_queue)));
    return 1;
}

// wait(queue) -> what it is woken with
static int l_wait(lua_State *L) {
    return pe_queue_wait(L, luaL_checkudata(L, 1, class_name));
}

// wake(queue, value) -> whether somebody waited
static int l_wake(lua_State *L) {
    struct pe_queue *queue = luaL_checkudata(L, 1, class_name);
    lua_pushboolean(L, pe_queue_wake(L, queue, 1));
    return 1;
}

static const luaL_Reg functions[] = {{"new", l_new}, {"wait", l_wait}, {"wake", l_wake}, {NULL, NULL}};

int luaopen_engine_queue(lua_State *L) {
    pe_vm_class(L, class_name, NULL, NULL);
    return pe_vm_module(L, functions, NULL);
}
