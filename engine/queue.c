// SPDX-License-Identifier: MIT
// Queues between tasks: values go in without waiting and come out in order, one to each that waits.
// Invariant: nobody waits while there is a value.
#include "task.h"
#include <limits.h>
#include <stdlib.h>

static const char box_name[] = "queue";

struct queue;

struct popper {
    struct pe_wait wait;
    struct queue *queue;
    TAILQ_ENTRY(popper) next;
};

// The values are in the userdata's environment, from index `first` on, modulo 2^31.
struct queue {
    unsigned first;
    int count, limit;
    TAILQ_HEAD(, popper) poppers;
};

static struct queue *check(lua_State *L) {
    return luaL_checkudata(L, 1, box_name);
}

static int slot(const struct queue *queue, int position) {
    return (int)((queue->first + (unsigned)position) & INT_MAX);
}

// queue(limit?): with a limit, push answers `nil, "the queue is full", "ENOBUFS"` beyond it.
static int l_queue(lua_State *L) {
    int limit = luaL_optint(L, 1, 0);
    luaL_argcheck(L, lua_isnoneornil(L, 1) || limit >= 1, 1, "expected a limit of at least 1");
    struct queue *queue = pe_vm_object(L, box_name, sizeof *queue);
    queue->first = 1;
    queue->limit = limit;
    TAILQ_INIT(&queue->poppers);
    lua_newtable(L);
    lua_setfenv(L, -2);
    return 1;
}

static void remove_popper(struct pe_wait *wait) {
    struct popper *popper = (struct popper *)wait;
    TAILQ_REMOVE(&popper->queue->poppers, popper, next);
    free(popper);
}

static int l_push(lua_State *L) {
    struct queue *queue = check(L);
    struct popper *popper = TAILQ_FIRST(&queue->poppers);
    luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "a queue holds no nil");
    lua_settop(L, 2);
    if (popper) {
        pe_task_wake(L, &popper->wait, 1);
        remove_popper(&popper->wait);
    } else if (queue->limit && queue->count == queue->limit) {
        return pe_vm_refuse(L, "the queue is full", "ENOBUFS");
    } else {
        lua_getfenv(L, 1);
        lua_insert(L, 2);
        lua_rawseti(L, 2, slot(queue, queue->count++));
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int l_pop(lua_State *L) {
    struct queue *queue = check(L);
    if (queue->count == 0) {
        if (!pe_task_may_wait(L)) return lua_yield(L, 0);
        struct popper *popper = calloc(1, sizeof *popper);
        if (!popper) luaL_error(L, "not enough memory");
        popper->queue = queue;
        TAILQ_INSERT_TAIL(&queue->poppers, popper, next);
        return pe_task_suspend(L, &popper->wait, remove_popper);
    }
    lua_getfenv(L, 1);
    lua_rawgeti(L, -1, slot(queue, 0));
    lua_pushnil(L);
    lua_rawseti(L, -3, slot(queue, 0));
    queue->count--;
    queue->first = queue->count ? queue->first + 1 : 1;
    return 1;
}

static int l_count(lua_State *L) {
    lua_pushinteger(L, check(L)->count);
    return 1;
}

static const luaL_Reg methods[] = {{"push", l_push}, {"pop", l_pop}, {"count", l_count}, {NULL, NULL}};

int luaopen_engine_queue(lua_State *L) {
    pe_vm_class(L, box_name, NULL, methods);
    lua_pushcfunction(L, l_queue);
    return 1;
}
