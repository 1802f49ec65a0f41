// SPDX-License-Identifier: MIT
/// A channel: one c-ares channel on the loop, for one list of servers and one timing.
///   pool   all channels of one owner, at most 16 and those that are being abandoned
///   user   a look-up that waits for answers of the channel
///   turn   the moment after c-ares has returned: answers arrive inside c-ares, where nothing may be asked
/// Invariant: c-ares is never entered from within one of its callbacks.
#pragma once

#include "servers.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

enum { PE_CHANNEL_USERS = 10000 }; // c-ares searches for ever when all its 65,536 query ids are in use

TAILQ_HEAD(pe_channel_users, pe_channel_user);
LIST_HEAD(pe_channel_sockets, pe_channel_socket);

struct pe_channel;

struct pe_channel_user {
    uint64_t deadline; // loop milliseconds
    TAILQ_ENTRY(pe_channel_user) next_user;
};

struct pe_channel_pool {
    uv_loop_t *loop;
    void (*on_turn)(struct pe_channel *channel); // after each turn of c-ares
    void *owner;
    TAILQ_HEAD(, pe_channel) channels;
};

struct pe_channel {
    struct pe_channel_pool *pool;
    char *key;          // the servers as they were asked for
    int timeout, tries; // milliseconds for all tries together; tries for each server
    int first;          // which server is asked first
    struct pe_servers servers;
    struct pe_channel_users users; // those with a deadline still, by deadline
    int user_count;                // all, also those that have given up while c-ares has not
    int timeouts;                  // of the last question that was answered
    uint64_t last_used;
    bool is_abandoned; // closes when it has no users

    ares_channel ares;
    uv_timer_t timer;
    uint64_t due; // when the timer fires
    struct pe_channel_sockets sockets;
    TAILQ_ENTRY(pe_channel) sibling;
};

void pe_channel_pool_init(struct pe_channel_pool *pool, uv_loop_t *loop, void (*on_turn)(struct pe_channel *channel),
                          void *owner);

/// Closes all at once; questions are answered with ARES_EDESTRUCTION before it returns. Not from `on_turn`.
void pe_channel_pool_close(struct pe_channel_pool *pool);

/// The channel for these servers and about this timing, opened if need be. One whose first server kept silent is
/// replaced by one that begins with the server that answered; of more than 16 one goes. Returns NULL with a message in
/// `problem` for a bad `key`, an empty one without memory.
struct pe_channel *pe_channel_find(struct pe_channel_pool *pool, const char *key, int timeout, int tries, char *problem,
                                   size_t size);

/// Adds a user, whose deadline is set. Ask after it.
void pe_channel_join(struct pe_channel *channel, struct pe_channel_user *user);

/// The user waits no longer; answers to what it asked still come.
void pe_channel_give_up(struct pe_channel *channel, struct pe_channel_user *user);

/// A user that has given up has got all its answers.
void pe_channel_leave(struct pe_channel *channel);

/// Asks for the records of `type` of the absolute `name`. `on_answer` is called exactly once, perhaps before this
/// returns.
void pe_channel_ask(struct pe_channel *channel, const char *name, int type, ares_callback on_answer, void *argument);
