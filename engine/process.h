// SPDX-License-Identifier: MIT
/// Child processes, and what they inherit. Invariant: a child has the limits that this process was started with.
#pragma once

/// Raises the limit of open descriptors as far as the system lets us: nothing here uses select(2), for whose sake it is
/// low. Called once, at the start.
void pe_process_raise_limits(void);
