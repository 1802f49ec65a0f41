// SPDX-License-Identifier: MIT
/// What resolv.conf says: servers, search domains, options.
#pragma once

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
