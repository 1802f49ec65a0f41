// SPDX-License-Identifier: MIT
// Look-ups: from name to questions, from answers to one result.
// Invariant: a look-up's memory lives until its caller has released it and c-ares has answered all it asked.
#include "resolver.h"
#include "channel.h"
#include "conffile.h"
#include "hosts.h"
#include "resolvconf.h"
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_NAME = 253, MAX_LABEL = 63, DEFAULT_TIMEOUT = 5000, CHECK_FILES_EVERY = 1000 };

struct question {
    struct pe_lookup *lookup;
    int type;
    int outcome; // enum outcome, or UNANSWERED
};

struct pe_lookup {
    struct pe_channel_user user;
    TAILQ_ENTRY(pe_lookup) next_ready;
    struct pe_resolver *resolver;
    struct pe_channel *channel; // NULL when it needs none (any more)
    pe_lookup_done *on_done;
    void *data;
    struct question questions[2];
    int question_count, unanswered;
    int candidate;                                              // how many were asked
    int worst;                                                  // the worst outcome of those
    int wait;                                                   // milliseconds
    unsigned turn;                                              // of the resolver, when it became ready
    bool is_absolute, is_known, is_ready, is_over, is_released; // known: the result is; over: it hears no more answers
    struct pe_lookup_result result;
    char *message;            // owned; `result.message` points to it
    char asked[MAX_NAME + 1]; // the candidate
    char name[MAX_NAME + 1];  // without a trailing dot
};

TAILQ_HEAD(ready_list, pe_lookup);

struct pe_resolver {
    uv_loop_t *loop;
    uv_idle_t idle; // active while look-ups are ready that no turn of c-ares will deliver
    struct ready_list ready;
    struct pe_channel_pool channels;
    struct pe_hosts *hosts;
    struct pe_conffile resolv_conf;
    struct pe_resolvconf conf;
    uint64_t checked_at;
    bool is_checked;
    unsigned turn; // counts deliveries
};

// From good to bad: of several, the worst is told. NO_NAME and NO_RECORD alone make it certain that there is nothing.
enum outcome { UNANSWERED = -1, SUCCESS, NO_NAME, NO_RECORD, LOOP, MALFORMED, USELESS, TIMED_OUT, NO_MEMORY, STOPPED };

static const struct {
    int status;
    const char *code, *text;
} outcomes[] = {
    [SUCCESS] = {ARES_SUCCESS, NULL, ""},
    [NO_NAME] = {ARES_ENOTFOUND, "ENOTFOUND", "no such name"},
    [NO_RECORD] = {ARES_ENODATA, "ENODATA", "no such record"},
    [LOOP] = {PE_ANSWER_LOOP, "ESERVFAIL", "aliases lead in a loop"},
    [MALFORMED] = {ARES_EBADRESP, "ESERVFAIL", "malformed answer"},
    [USELESS] = {ARES_ESERVFAIL, "ESERVFAIL", "no server answered usefully"},
    [TIMED_OUT] = {ARES_ETIMEOUT, "ETIMEDOUT", "no answer"},
    [NO_MEMORY] = {ARES_ENOMEM, "ENOMEM", "not enough memory"},
    [STOPPED] = {ARES_EDESTRUCTION, "ECANCELED", "the engine stops"},
};

// SERVFAIL, REFUSED, NOTIMP, a refused connection: c-ares tells them apart only when it has one server.
static enum outcome classify(int status) {
    for (int outcome = SUCCESS; outcome <= STOPPED; outcome++)
        if (outcomes[outcome].status == status) return outcome;
    return USELESS;
}

__attribute__((format(printf, 3, 4))) static void fail(struct pe_lookup *lookup, const char *code, const char *format,
                                                       ...) {
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&lookup->message, format, arguments) < 0) {
        lookup->message = NULL;
        if (code) code = "ENOMEM";
    }
    va_end(arguments);
    lookup->is_known = true;
    lookup->result.code = code;
    lookup->result.message = lookup->message ? lookup->message : code ? "not enough memory" : NULL;
}

// Why the questions that ended with `outcome` did; `code` is NULL when another one succeeded.
static void explain(struct pe_lookup *lookup, enum outcome outcome, const char *code) {
    const struct question *q = lookup->questions;
    const char *servers = lookup->channel ? lookup->channel->servers.text : NULL;
    bool is_second = lookup->question_count == 2 && q[0].outcome == SUCCESS;
    bool is_both = lookup->question_count == 2 && code;
    uint64_t waited = uv_now(lookup->resolver->loop) + (uint64_t)lookup->wait - lookup->user.deadline;
    if (waited + waited / 8 > (uint64_t)lookup->wait) waited = (uint64_t)lookup->wait; // c-ares rounds its waits down
    char types[32];
    snprintf(types, sizeof types, "%s%s%s", pe_answer_type_name(q[is_second].type), is_both ? "/" : "",
             is_both ? pe_answer_type_name(q[1].type) : "");
    if (outcome == TIMED_OUT)
        fail(lookup, code, "no answer from %s to %s %s within %g s", servers, lookup->name, types,
             (double)waited / 1e3);
    else if (servers)
        fail(lookup, code, "%s: %s %s, asked %s", outcomes[outcome].text, lookup->name, types, servers);
    else
        fail(lookup, code, "%s: %s %s", outcomes[outcome].text, lookup->name, types);
}

static void make_ready(struct pe_lookup *lookup) {
    lookup->is_ready = true;
    lookup->turn = lookup->resolver->turn;
    TAILQ_INSERT_TAIL(&lookup->resolver->ready, lookup, next_ready);
}

// The lookup waits no longer; once c-ares has answered too, it leaves the channel.
static void detach(struct pe_lookup *lookup) {
    if (!lookup->channel) return;
    if (!lookup->is_over) pe_channel_give_up(lookup->channel, &lookup->user);
    lookup->is_over = true;
    if (lookup->unanswered) return;
    pe_channel_leave(lookup->channel);
    lookup->channel = NULL;
}

static void free_lookup(struct pe_lookup *lookup) {
    pe_answer_clear(&lookup->result.records[0]);
    pe_answer_clear(&lookup->result.records[1]);
    free(lookup->message);
    free(lookup);
}

void pe_resolver_release(struct pe_lookup *lookup) {
    if (lookup->is_ready) TAILQ_REMOVE(&lookup->resolver->ready, lookup, next_ready);
    lookup->is_ready = false;
    lookup->is_released = true;
    detach(lookup);
    if (!lookup->unanswered) free_lookup(lookup);
}

static void on_answer(void *argument, int status, int timeouts, unsigned char *packet, int length) {
    struct question *question = argument;
    struct pe_lookup *lookup = question->lookup;
    struct pe_records *records = &lookup->result.records[question - lookup->questions];
    lookup->unanswered--;
    if (lookup->is_over) {
        detach(lookup);
        if (lookup->is_released && !lookup->unanswered) free_lookup(lookup);
        return;
    }
    if (status == ARES_SUCCESS) status = pe_answer_read(packet, (size_t)length, lookup->asked, question->type, records);
    question->outcome = classify(status);
    if (question->outcome <= NO_RECORD) lookup->channel->timeouts = timeouts;
    if (!lookup->unanswered) make_ready(lookup);
}

static bool next_candidate(struct pe_lookup *lookup) {
    for (int i = 0; i < lookup->question_count; i++) lookup->questions[i].outcome = UNANSWERED;
    const struct pe_resolvconf *conf = lookup->is_absolute ? NULL : &lookup->resolver->conf;
    return pe_resolvconf_candidate(conf, lookup->name, &lookup->candidate, lookup->asked, sizeof lookup->asked);
}

// Asks the questions about the candidate whose outcome is `outcome`.
static void ask(struct pe_lookup *lookup, int outcome) {
    struct question *q = lookup->questions, *asked[2];
    int count = 0;
    for (int i = 0; i < lookup->question_count; i++)
        if (q[i].outcome == outcome) asked[count++] = &q[i];
    lookup->unanswered = count;
    for (int i = 0; i < count; i++) {
        struct question *question = asked[i];
        question->outcome = UNANSWERED;
        pe_channel_ask(lookup->channel, lookup->asked, question->type, on_answer, question);
    }
}

// c-ares may give up long before the deadline: over TCP it tries each server once.
static bool has_time_left(const struct pe_lookup *lookup) {
    uint64_t soon = uv_now(lookup->resolver->loop) + (uint64_t)lookup->wait / 8;
    return !lookup->is_over && soon < lookup->user.deadline;
}

// All questions of a candidate are answered, or the time is up: makes the result, or asks for the next candidate.
static void conclude(struct pe_lookup *lookup) {
    bool is_found = false;
    int worst = SUCCESS;
    for (int i = 0; i < lookup->question_count; i++) {
        int outcome = lookup->questions[i].outcome;
        is_found = is_found || outcome == SUCCESS;
        if (outcome > worst) worst = outcome;
    }
    if (worst == TIMED_OUT && has_time_left(lookup)) return ask(lookup, TIMED_OUT);
    if (!is_found) {
        if (lookup->worst > worst) worst = lookup->worst;
        lookup->worst = worst;
        if (worst < TIMED_OUT && next_candidate(lookup)) return ask(lookup, UNANSWERED);
        explain(lookup, worst, outcomes[worst].code);
    } else if (worst > NO_RECORD) {
        explain(lookup, worst, NULL);
    }
    lookup->is_known = true;
}

static void on_idle(uv_idle_t *idle);

// Delivers those that are ready now; the others in the next turn of the loop, so that nobody can hold it.
static void deliver(struct pe_resolver *resolver) {
    struct pe_lookup *lookup;
    unsigned turn = resolver->turn++;
    while ((lookup = TAILQ_FIRST(&resolver->ready)) && lookup->turn <= turn) {
        TAILQ_REMOVE(&resolver->ready, lookup, next_ready);
        lookup->is_ready = false;
        if (!lookup->is_known) conclude(lookup);
        if (!lookup->is_known) continue;
        detach(lookup);
        lookup->on_done(lookup->data, &lookup->result);
    }
    if (TAILQ_EMPTY(&resolver->ready))
        uv_idle_stop(&resolver->idle);
    else
        uv_idle_start(&resolver->idle, on_idle);
}

static void on_idle(uv_idle_t *idle) {
    deliver(idle->data);
}

static void on_turn(struct pe_channel *channel) {
    struct pe_channel_user *user = TAILQ_FIRST(&channel->users), *next;
    uint64_t now = uv_now(channel->pool->loop);
    for (; user && user->deadline <= now; user = next) {
        struct pe_lookup *lookup = (struct pe_lookup *)user;
        next = TAILQ_NEXT(user, next_user);
        if (lookup->is_ready) continue;
        for (int i = 0; i < lookup->question_count; i++)
            if (lookup->questions[i].outcome == UNANSWERED) lookup->questions[i].outcome = TIMED_OUT;
        detach(lookup);
        make_ready(lookup);
    }
    deliver(channel->pool->owner);
}

static void begin(struct pe_lookup *lookup, const struct pe_lookup_options *options) {
    struct pe_resolver *resolver = lookup->resolver;
    const struct pe_resolvconf *conf = &resolver->conf;
    char problem[160];
    int timeout = options->timeout ? options->timeout : options->servers ? 0 : conf->timeout;
    int tries = options->tries ? options->tries : options->servers ? 2 : conf->tries;
    if (!timeout) timeout = DEFAULT_TIMEOUT;
    lookup->wait = options->limit && options->limit < timeout ? options->limit : timeout;
    struct pe_channel *channel =
        pe_channel_find(&resolver->channels, options->servers ? options->servers : conf->servers, lookup->wait, tries,
                        problem, sizeof problem);
    if (!channel) return fail(lookup, *problem ? "EINVAL" : "ENOMEM", "%s", *problem ? problem : "not enough memory");
    if (channel->user_count >= PE_CHANNEL_USERS)
        return fail(lookup, "EAGAIN", "%d look-ups wait for %s already", channel->user_count, channel->servers.text);
    lookup->channel = channel;
    lookup->user.deadline = uv_now(resolver->loop) + (uint64_t)lookup->wait;
    pe_channel_join(channel, &lookup->user);
    next_candidate(lookup);
    ask(lookup, UNANSWERED);
}

static void refresh(struct pe_resolver *resolver) {
    char *text;
    size_t length;
    uv_update_time(resolver->loop);
    if (resolver->is_checked && uv_now(resolver->loop) - resolver->checked_at < CHECK_FILES_EVERY) return;
    resolver->is_checked = true;
    resolver->checked_at = uv_now(resolver->loop);
    pe_hosts_refresh(resolver->hosts);
    if (pe_conffile_read(&resolver->resolv_conf, &text, &length) <= 0) return;
    pe_resolvconf_parse(&resolver->conf, text);
    free(text);
}

static bool set_name(struct pe_lookup *lookup, const char *name) {
    size_t length = strlen(name);
    lookup->is_absolute = length && name[length - 1] == '.';
    if (length > 1 && lookup->is_absolute) length--;
    if (length > MAX_NAME)
        fail(lookup, "EBADNAME", "bad name: %zu bytes, expected at most %d", length, MAX_NAME);
    else
        memcpy(lookup->name, name, length);
    return length <= MAX_NAME;
}

static bool check_name(struct pe_lookup *lookup) {
    const char *name = lookup->name, *label = name, *at = name;
    if (!strcmp(name, ".")) return true;
    for (;; at++) {
        unsigned char c = (unsigned char)*at;
        if ((c == '.' || !c) && (at == label || at - label > MAX_LABEL)) {
            fail(lookup, "EBADNAME", "bad name \"%s\": a label of %d bytes, expected 1 to 63", name, (int)(at - label));
            return false;
        }
        if (!c) return true;
        if (c == '.') label = at + 1;
        if (c <= ' ' || c >= 127 || c == '\\' || c == ':') break;
    }
    fail(lookup, "EBADNAME", "bad name: byte 0x%02x after \"%.*s\", expected a host name", (unsigned char)*at,
         (int)(at - name), name);
    return false;
}

static struct pe_lookup *new_lookup(struct pe_resolver *resolver, pe_lookup_done *on_done, void *data) {
    struct pe_lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup) return NULL;
    lookup->resolver = resolver;
    lookup->on_done = on_done;
    lookup->data = data;
    refresh(resolver);
    return lookup;
}

static void add_question(struct pe_lookup *lookup, int type) {
    lookup->questions[lookup->question_count++] = (struct question){.lookup = lookup, .type = type};
}

static struct pe_lookup *started(struct pe_lookup *lookup) {
    if (lookup->is_known) make_ready(lookup);
    if (!TAILQ_EMPTY(&lookup->resolver->ready)) uv_idle_start(&lookup->resolver->idle, on_idle);
    return lookup;
}

struct pe_lookup *pe_resolver_addresses(struct pe_resolver *resolver, const char *name, enum pe_family family,
                                        const struct pe_lookup_options *options, pe_lookup_done *on_done, void *data) {
    struct pe_lookup *lookup = new_lookup(resolver, on_done, data);
    if (!lookup) return NULL;
    if (family != PE_FAMILY_INET6) add_question(lookup, ns_t_a);
    if (family != PE_FAMILY_INET) add_question(lookup, ns_t_aaaa);
    if (!set_name(lookup, name)) return started(lookup);
    int status = pe_hosts_answer(resolver->hosts, lookup->name, (int)family, &lookup->result.records[0]);
    lookup->is_known = status != ARES_ENOTFOUND;
    if (status == ARES_ENOTFOUND && check_name(lookup))
        begin(lookup, options);
    else if (status && status != ARES_ENOTFOUND)
        explain(lookup, classify(status), outcomes[classify(status)].code);
    return started(lookup);
}

struct pe_lookup *pe_resolver_query(struct pe_resolver *resolver, const char *name, int type,
                                    const struct pe_lookup_options *options, pe_lookup_done *on_done, void *data) {
    struct pe_lookup *lookup = new_lookup(resolver, on_done, data);
    if (!lookup) return NULL;
    add_question(lookup, type);
    if (set_name(lookup, name) && check_name(lookup)) {
        lookup->is_absolute = true;
        begin(lookup, options);
    }
    return started(lookup);
}

int pe_resolver_set_files(struct pe_resolver *resolver, const char *hosts, const char *resolv_conf) {
    struct pe_hosts *table = pe_hosts_new(hosts ? hosts : "/etc/hosts");
    if (!table || pe_conffile_set(&resolver->resolv_conf, resolv_conf ? resolv_conf : "/etc/resolv.conf")) {
        pe_hosts_free(table);
        return UV_ENOMEM;
    }
    pe_hosts_free(resolver->hosts);
    resolver->hosts = table;
    resolver->is_checked = false;
    return 0;
}

struct pe_resolver *pe_resolver_new(uv_loop_t *loop) {
    struct pe_resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver || pe_resolver_set_files(resolver, NULL, NULL)) {
        free(resolver);
        return NULL;
    }
    resolver->loop = loop;
    TAILQ_INIT(&resolver->ready);
    pe_channel_pool_init(&resolver->channels, loop, on_turn, resolver);
    uv_idle_init(loop, &resolver->idle);
    resolver->idle.data = resolver;
    return resolver;
}

static void on_closed(uv_handle_t *idle) {
    free(idle->data);
}

void pe_resolver_free(struct pe_resolver *resolver) {
    pe_channel_pool_close(&resolver->channels);
    deliver(resolver);
    pe_hosts_free(resolver->hosts);
    free(resolver->resolv_conf.path);
    uv_close((uv_handle_t *)&resolver->idle, on_closed);
}
