// SPDX-License-Identifier: MIT
// The C half of engine.timer: clocks, and sleep on the monotonic one.
#include "timer.h"
#include "modules.h"
#include "task.h"
#include <math.h>
#include <stdlib.h>
#include <time.h>

struct sleep {
    struct pe_wait wait;
    uv_timer_t uv;
};

// The loop's clock shows the last whole millisecond: one more, or it would ring early. Also for no delay at all: libuv
// runs a timer of zero again before it looks at any descriptor.
static uint64_t check_delay(lua_State *L, int index) {
    double seconds = luaL_checknumber(L, index);
    luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, index, "expected seconds from 0 to 1e9");
    return (uint64_t)ceil(seconds * 1000) + 1;
}

void pe_timer_start(uv_timer_t *uv, uv_timer_cb on_end, uint64_t delay) {
    uint64_t behind = uv_hrtime() / 1000000 - uv_now(pe_vm_loop());
    uv_timer_start(uv, on_end, behind + delay, 0);
}

static int l_now(lua_State *L) {
    lua_pushnumber(L, (double)uv_hrtime() / 1e9);
    return 1;
}

// Microseconds since 1970. The one use of the wall clock: everything else counts monotonic seconds.
static int l_wall_clock(lua_State *L) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t microseconds = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
    lua_pushnumber(L, (double)microseconds);
    return 1;
}

static void free_sleep(uv_handle_t *uv) {
    free(uv->data);
}

static void end_sleep(struct pe_wait *wait) {
    uv_close((uv_handle_t *)&((struct sleep *)wait)->uv, free_sleep);
}

static void on_awake(uv_timer_t *uv) {
    struct sleep *sleep = uv->data;
    end_sleep(&sleep->wait);
    pe_task_finish(&sleep->wait, NULL, NULL);
}

static int l_sleep(lua_State *L) {
    uint64_t delay = check_delay(L, 1);
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    struct sleep *sleep = calloc(1, sizeof *sleep);
    if (!sleep) luaL_error(L, "not enough memory");
    uv_timer_init(pe_vm_loop(), &sleep->uv);
    sleep->uv.data = sleep;
    pe_timer_start(&sleep->uv, on_awake, delay);
    return pe_task_suspend(L, &sleep->wait, end_sleep);
}

static const luaL_Reg functions[] = {{"now", l_now}, {"wall_clock", l_wall_clock}, {"sleep", l_sleep}, {NULL, NULL}};

int luaopen_engine_timer(lua_State *L) {
    return pe_vm_module(L, functions, NULL);
}
