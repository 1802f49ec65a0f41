// SPDX-License-Identifier: MIT
/// The log: one message, one write to stderr; text or JSON. On the main thread only.
/// Invariant: logging never raises, never ends the process, and never keeps the loop alive.
#pragma once

#include <lua.h>

enum pe_log_level { PE_LOG_DEBUG, PE_LOG_INFO, PE_LOG_WARN, PE_LOG_ERROR };

/// Writes one message of `source` ("engine", "provider dns"). `traceback` may be NULL. Never raises, never allocates
/// Lua memory. A warning or error that repeats within a minute is only counted, and its count said when that is over.
void pe_log_write(enum pe_log_level level, const char *source, const char *message, const char *traceback);

/// Says what was counted and closes its timer, before the loop closes. Nothing is held back from then on.
void pe_log_shut_down(void);

/// Writes one line about what was held back. For repeats.c.
void pe_log_say_count(enum pe_log_level level, const char *source, const char *text);

int luaopen_engine_log(lua_State *L);
