// SPDX-License-Identifier: MIT
/// Repeats: the warnings and errors said lately, and how often they came again since. For log.c.
/// Invariant: what was counted is said, at the latest when its window is over or the process ends.
#pragma once

#include "log.h"
#include <stdbool.h>
#include <stddef.h>

/// Whether `text` of `source`, with the same `fields` (may be NULL), was said less than a window ago; then it is
/// counted. Else it is remembered, as long as 64 others have not come since.
bool pe_repeats_has(enum pe_log_level level, const char *source, const char *text, size_t length, const char *fields);

/// Sets the window unless `seconds` is negative; 0: nothing is held back. Returns it; 60 at first.
double pe_repeats_window(double seconds);

/// Has pe_log_say_count called for those whose window is over.
void pe_repeats_check(void);

/// The same for all, and closes the timer.
void pe_repeats_shut_down(void);
