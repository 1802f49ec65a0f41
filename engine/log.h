// SPDX-License-Identifier: MIT
/// The log: one line per message on stderr.
#pragma once

enum pe_log_level { PE_LOG_DEBUG, PE_LOG_INFO, PE_LOG_WARN, PE_LOG_ERROR };

/// Writes one message of `source` ("engine", "provider dns"). `traceback` may be NULL. Never raises, never allocates
/// Lua memory.
void pe_log_write(enum pe_log_level level, const char *source, const char *message, const char *traceback);
