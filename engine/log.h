// SPDX-License-Identifier: MIT
/// The log: one message, one write to stderr, as far as it takes it. On the main thread only.
/// Invariant: logging never raises, never ends the process, and never keeps the loop alive.
#pragma once

#include <lua.h>

enum pe_log_level { PE_LOG_DEBUG, PE_LOG_INFO, PE_LOG_WARN, PE_LOG_ERROR };

/// Logs a message of `source` ("engine", "provider dns"), inside the door or outside. `traceback` may be NULL. Never
/// raises: where the Lua half is not loaded or fails, the message is one plain line.
void pe_log_write(enum pe_log_level level, const char *source, const char *message, const char *traceback);

/// As one plain line of ASCII; also from a signal handler. Waits for nothing: what is not taken at once is dropped.
void pe_log_write_plainly(enum pe_log_level level, const char *source, const char *message);

/// Has what is held back said, and closes the timer; before the loop closes. Nothing is held back from then on.
void pe_log_shut_down(void);

int luaopen_engine_log(lua_State *L);
