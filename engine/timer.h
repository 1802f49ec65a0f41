// SPDX-License-Identifier: MIT
/// Timers, for other files of the core.
#pragma once

#include <stdint.h>
#include <uv.h>

/// As uv_timer_start, but `delay` milliseconds from now, not from the loop's clock, which stands still while Lua runs.
/// To set that clock forward instead would be wrong: timers that come due thereby run before any descriptor is looked
/// at, and so on without end.
void pe_timer_start(uv_timer_t *uv, uv_timer_cb on_end, uint64_t delay);
