// SPDX-License-Identifier: MIT
// The least that an engine of these libraries can be: a Lua state, a loop with a timer every ten seconds, a c-ares
// channel. Prints a line when the loop first turns; TERM ends it.
#include <ares.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

enum { INTERVAL = 10000 }; // milliseconds

static void on_turn(uv_timer_t *timer) {
    static int has_said;
    (void)timer;
    if (!has_said && write(STDOUT_FILENO, "ready\n", 6) != 6) exit(1);
    has_said = 1;
}

int main(void) {
    uv_timer_t timer;
    ares_channel channel;
    lua_State *L = luaL_newstate();
    if (!L || ares_library_init(ARES_LIB_INIT_ALL) || ares_init(&channel)) return 1;
    luaL_openlibs(L);
    uv_timer_init(uv_default_loop(), &timer);
    uv_timer_start(&timer, on_turn, 0, INTERVAL);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
