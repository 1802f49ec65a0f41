// SPDX-License-Identifier: MIT
/// The watchdog: ends a resume that takes more CPU time than its account's budget, or whose account holds more memory
/// than its limit, by an error that a hook raises at the next instruction of code that is not the engine's.
/// Invariant: a hook never outlives the resume that it was set for, and time in which the process did not run is
/// nobody's.
#pragma once

#include <lua.h>

/// Arms the timer that measures the calling thread's CPU time; where there is none, nothing has a budget.
/// `root`: the code below its `engine/` is never interrupted.
void pe_watchdog_open(lua_State *L, const char *root);

/// Around each resume whose account is not the engine's. The end gives how many seconds of CPU time it took.
void pe_watchdog_begin(void);
double pe_watchdog_end(void);

/// Has the running account looked at, at the next instruction. Touches no Lua value: for the allocator, too.
void pe_watchdog_interrupt(void);

/// Takes the hook away for what the engine does in the middle of a resume.
void pe_watchdog_calm(void);

/// Changes every hundredth of a second of the main thread's CPU time, and less often where others want the CPU.
unsigned pe_watchdog_ticks(void);
