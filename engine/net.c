// SPDX-License-Identifier: MIT
#include "modules.h"

int luaopen_engine_net(lua_State *L) {
    lua_newtable(L);
    return 1;
}
