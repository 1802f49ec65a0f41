// SPDX-License-Identifier: MIT
/// Watchers of one folder or file. For fs.c.
#pragma once

#include <lua.h>

/// Makes the class of watchers; gives the table on top `watch`, which makes one, and `watcher`, their methods.
void pe_watch_register(lua_State *L);
