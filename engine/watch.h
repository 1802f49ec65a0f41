// SPDX-License-Identifier: MIT
/// Watchers of one folder or file. For fs.c.
#pragma once

#include <lua.h>

/// Makes the class of watchers; once.
void pe_watch_register(lua_State *L);

/// watch(path) -> watcher, or nil, message, code
int pe_watch_l_watch(lua_State *L);
