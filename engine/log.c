// SPDX-License-Identifier: MIT
#include "log.h"
#include <lauxlib.h>
#include <stdio.h>

void pe_log_write(enum pe_log_level level, const char *source, const char *message, const char *traceback) {
    fprintf(stderr, "%d %s: %s\n%s%s", level, source, message, traceback ? traceback : "", traceback ? "\n" : "");
}

int luaopen_engine_log(lua_State *L) {
    lua_newtable(L);
    return 1;
}
