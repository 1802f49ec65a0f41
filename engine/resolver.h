// SPDX-License-Identifier: MIT
/// The resolver: looks names up on the loop, by address literal, hosts file or DNS servers. Knows no Lua.
///   look-up    one call of the caller's; it may ask several questions, one candidate name after the other
///   candidate  the name as given, or with a search domain
/// Invariant: `on_done` is called at most once, never from the call that started it and never from inside c-ares.
#pragma once

#include "answer.h"
#include <uv.h>

struct pe_resolver;
struct pe_lookup;

enum pe_family { PE_FAMILY_ANY = AF_UNSPEC, PE_FAMILY_INET = AF_INET, PE_FAMILY_INET6 = AF_INET6 };

struct pe_lookup_options {
    const char *servers; // "address[:port],…" instead of resolv.conf's; NULL: those
    int timeout;         // milliseconds for the whole look-up; 0: 5,000, or what resolv.conf says of its servers
    int limit;           // the same, where the caller has less time than `timeout`; 0: none
    int tries;           // for each server, 1 to 10; 0: 2, or what resolv.conf says
};

struct pe_lookup_result {
    const char *code;    // NULL: it succeeded. Else ENOTFOUND ENODATA ESERVFAIL ETIMEDOUT EBADNAME EINVAL EAGAIN ENOMEM
                         // ECANCELED
    const char *message; // why it failed; with success, why the other family failed, or NULL
    struct pe_records records[2]; // one for each question; empty after a failure
};

/// `result` is valid until the look-up is released.
typedef void pe_lookup_done(void *data, const struct pe_lookup_result *result);

/// Returns NULL without memory.
struct pe_resolver *pe_resolver_new(uv_loop_t *loop);

/// Releases everything; its handles close in the loop's next turns. Look-ups under way are answered with ECANCELED
/// first.
void pe_resolver_free(struct pe_resolver *resolver);

/// Reads these files from now on, instead of /etc/hosts and /etc/resolv.conf (which NULL means).
/// Returns 0 or UV_ENOMEM. They are looked at once a second at most, at a look-up.
int pe_resolver_set_files(struct pe_resolver *resolver, const char *hosts, const char *resolv_conf);

/// Looks up the addresses of `name`, which search domains complete unless it ends with a dot.
/// `name` and `options` are copied. Returns NULL without memory; every other failure is a result.
struct pe_lookup *pe_resolver_addresses(struct pe_resolver *resolver, const char *name, enum pe_family family,
                                        const struct pe_lookup_options *options, pe_lookup_done *on_done, void *data);

/// Asks for the records of `type` of the absolute `name`; else as pe_resolver_addresses.
struct pe_lookup *pe_resolver_query(struct pe_resolver *resolver, const char *name, int type,
                                    const struct pe_lookup_options *options, pe_lookup_done *on_done, void *data);

/// The caller is done with the look-up: before its end that cancels it (`on_done` is not called), after it frees the
/// result. At any moment, also from `on_done`; once.
void pe_resolver_release(struct pe_lookup *lookup);
