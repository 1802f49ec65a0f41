// SPDX-License-Identifier: MIT
/// What a name's addresses are without any query: literals, the table of /etc/hosts, localhost.
#pragma once

#include "answer.h"

struct pe_hosts;

/// An empty table of the file at `path`. Returns NULL without memory.
struct pe_hosts *pe_hosts_new(const char *path);

void pe_hosts_free(struct pe_hosts *hosts);

/// Reads the file if it has changed. A missing one is an empty table; without memory the old table stays.
void pe_hosts_refresh(struct pe_hosts *hosts);

/// Adds the addresses of `name` (without a trailing dot) to `records`, those of `family` (AF_INET, AF_INET6) or of both
/// (AF_UNSPEC), in the file's order. A literal's zone, as in fe80::1%eth0, is its record's text.
/// Returns ARES_SUCCESS (at least one), ARES_ENODATA (a literal of the other family), ARES_ENOTFOUND (others must be
/// asked) or ARES_ENOMEM.
int pe_hosts_answer(const struct pe_hosts *hosts, const char *name, int family, struct pe_records *records);
