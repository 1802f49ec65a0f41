// SPDX-License-Identifier: MIT
/// The C half of engine.dns.
#pragma once

/// Closes the resolver, after the last scope and before the loop's last turns.
void pe_dns_shut_down(void);
