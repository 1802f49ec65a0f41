// SPDX-License-Identifier: MIT
/// Signals by name ("HUP"), and functions that run when one comes.
#pragma once

#include <lua.h>

/// The number of the name at `index`. Raises if there is no such signal.
int pe_signal_check(lua_State *L, int index);

/// Pushes the name, or nil for 0.
void pe_signal_push(lua_State *L, int number);

/// on_signal(name, fn) -> watch: runs `fn` as a task at each signal; several that come together may be one.
int pe_signal_l_on(lua_State *L);

/// Makes the class of such watches. Called once.
void pe_signal_register(lua_State *L);
