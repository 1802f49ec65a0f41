// SPDX-License-Identifier: MIT
// Timers on the monotonic clock: a function after or every so many seconds, each run a task of its own; and sleep.
#include "timer.h"
#include "handle.h"
#include "task.h"
#include <math.h>
#include <stdlib.h>
#include <time.h>

struct timer {
    struct pe_handle handle;
    uv_timer_t uv;
    int function; // registry reference; released when the timer closes
};

struct sleep {
    struct pe_wait wait;
    uv_timer_t uv;
};

static void on_close(struct pe_handle *handle) {
    struct timer *timer = (struct timer *)handle;
    pe_vm_unref(timer->function);
}

static const struct pe_handle_class timer_class = {.name = "timer", .on_close = on_close, .outlives_lua = true};

static uint64_t check_milliseconds(lua_State *L, int index) {
    double seconds = luaL_checknumber(L, index);
    luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, index, "expected seconds from 0 to 1e9");
    return (uint64_t)ceil(seconds * 1000);
}

// The loop's clock shows the last whole millisecond: one more, or it would ring early. Also for no delay at all: libuv
// runs a timer of zero again before it looks at any descriptor.
static uint64_t check_delay(lua_State *L, int index) {
    return check_milliseconds(L, index) + 1;
}

void pe_timer_start(uv_timer_t *uv, uv_timer_cb on_end, uint64_t delay, uint64_t repeat) {
    uint64_t behind = uv_hrtime() / 1000000 - uv_now(pe_vm_loop());
    uv_timer_start(uv, on_end, behind + delay, repeat);
}

static void run(lua_State *L, void *argument) {
    struct timer *timer = argument;
    lua_rawgeti(L, LUA_REGISTRYINDEX, timer->function);
    pe_task_spawn(L, timer->handle.scope, 0);
}

static void on_expiry(uv_timer_t *uv) {
    struct timer *timer = uv->data;
    pe_vm_enter(run, timer);
    if (!uv_timer_get_repeat(uv)) pe_handle_close(&timer->handle);
}

static int start(lua_State *L, uint64_t delay, uint64_t repeat) {
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    struct timer *timer = pe_handle_new(L, &timer_class, sizeof *timer);
    lua_insert(L, 2);
    timer->function = luaL_ref(L, LUA_REGISTRYINDEX);
    uv_timer_init(pe_vm_loop(), &timer->uv);
    if (!pe_handle_open(&timer->handle, (uv_handle_t *)&timer->uv)) return pe_vm_refuse(L, "closed", "ECANCELED");
    pe_timer_start(&timer->uv, on_expiry, delay, repeat);
    return 1;
}

static int l_after(lua_State *L) {
    return start(L, check_delay(L, 1), 0);
}

static int l_every(lua_State *L) {
    uint64_t period = check_milliseconds(L, 1);
    luaL_argcheck(L, period > 0, 1, "expected more than 0 seconds");
    return start(L, period, period);
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

static int push_nothing(lua_State *L, void *unused) {
    (void)L, (void)unused;
    return 0;
}

static void on_awake(uv_timer_t *uv) {
    struct sleep *sleep = uv->data;
    end_sleep(&sleep->wait);
    pe_task_finish(&sleep->wait, push_nothing, NULL);
}

static int l_sleep(lua_State *L) {
    uint64_t delay = check_delay(L, 1);
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    struct sleep *sleep = calloc(1, sizeof *sleep);
    if (!sleep) luaL_error(L, "not enough memory");
    uv_timer_init(pe_vm_loop(), &sleep->uv);
    sleep->uv.data = sleep;
    pe_timer_start(&sleep->uv, on_awake, delay, 0);
    return pe_task_suspend(L, &sleep->wait, end_sleep);
}

static const luaL_Reg methods[] = {{"stop", pe_handle_l_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"now", l_now},     {"wall_clock", l_wall_clock}, {"after", l_after},
                                     {"every", l_every}, {"sleep", l_sleep},           {NULL, NULL}};

int luaopen_engine_timer(lua_State *L) {
    pe_handle_register(L, &timer_class, methods);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
