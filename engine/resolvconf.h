// SPDX-License-Identifier: MIT
/// What resolv.conf says: servers, search domains, options.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { PE_RESOLVCONF_SEARCHES = 6, PE_RESOLVCONF_SERVERS = 3 }; // as in libc

struct pe_resolvconf {
    char servers[PE_RESOLVCONF_SERVERS * 48]; // separated by commas; 127.0.0.1 when there are none, as in libc
    char search[PE_RESOLVCONF_SEARCHES][256]; // without trailing dots
    int search_count;
    int ndots;   // names with fewer dots try the search domains first
    int tries;   // `attempts`; 2 unless it says otherwise
    int timeout; // total, in milliseconds: `timeout` x `attempts` x servers, as libc would wait; 0 unless it says so
};

/// Reads `text`, changing it. Lines and options that mean nothing here are passed over.
void pe_resolvconf_parse(struct pe_resolvconf *conf, char *text);

/// Writes what is to be asked for `name` at the `*index`th try to `asked`, in libc's order, and moves `*index` on. Too
/// long ones are passed over. False at the end; there is always a first. NULL as `conf`: the name alone.
bool pe_resolvconf_candidate(const struct pe_resolvconf *conf, const char *name, int *index, char *asked, size_t size);
