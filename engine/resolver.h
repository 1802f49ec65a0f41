// SPDX-License-Identifier: MIT
/// The resolver: asks DNS servers on the loop, by c-ares. Knows no Lua.
///   query    one question about one absolute name
///   channel  a c-ares channel for one list of servers and one timing; of those without a query at most 16
///   turn     the moment after c-ares has returned: answers arrive inside c-ares, where nothing may be asked
/// Invariant: c-ares is never entered from one of its callbacks, and a query is never finished in the call that asked.
#pragma once

#include <ares.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

enum { PE_RESOLVER_QUERIES = 10000 }; // c-ares searches for ever when all its 65,536 ids are in use

/// First member of the caller's own struct, which malloc gave; the resolver frees it.
struct pe_query {
    int status, timeouts;                    // finished: ARES_*, and how often a server kept silent before
    int length;                              // of the answer
    unsigned char *answer;                   // owned; NULL after a failure
    uint64_t deadline;                       // loop milliseconds
    bool is_asked, is_finished, is_released; // asked: c-ares still has it
    struct pe_channel *channel;              // while it is asked
    LIST_ENTRY(pe_query) next_waiting;
    TAILQ_ENTRY(pe_query) next_finished;
};

struct pe_timing {
    int wait;          // milliseconds of each server's first try; the next ones wait 2, 4, 8, … times as long
    int tries;         // for each server, at most 10
    uint64_t deadline; // loop milliseconds; the query is finished then in any case
};

/// Once, before all else. `on_turn` is called when queries have been finished.
void pe_resolver_open(uv_loop_t *loop, void (*on_turn)(void));

/// Asks `servers` ("127.0.0.1:53,[::1]:53") for records of `type`. Returns 0, and `query`, all zero so far, is the
/// resolver's; or UV_EINVAL (bad servers), UV_EAGAIN (too many wait), UV_ENOMEM, and it is the caller's.
int pe_resolver_ask(struct pe_query *query, const char *servers, const char *name, int type,
                    const struct pe_timing *timing);

/// The query that was finished first and is not released; NULL without one.
struct pe_query *pe_resolver_finished(void);

/// The caller is done with the query, finished or not. Once, at any moment.
void pe_resolver_release(struct pe_query *query);

/// Closes all channels; their handles close in the loop's next turns. Each query must have been released.
void pe_resolver_close(void);
