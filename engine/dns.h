// SPDX-License-Identifier: MIT
/// The process's resolver, made at the first look-up.
#pragma once

/// Closes it, after the last scope and before the loop's last turns.
void pe_dns_shut_down(void);
