// SPDX-License-Identifier: MIT
// The C half of engine.dns: one query at a time for each task. Invariant: no task runs while results are handed out.
#include "dns.h"
#include "answer.h"
#include "modules.h"
#include "resolver.h"
#include "task.h"
#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 253, MAX_TRIES = 10 };

struct request {
    struct pe_query query;
    struct pe_wait wait;
    int type;
    char name[];
};

static bool is_open;

void pe_dns_shut_down(void) {
    if (is_open) pe_resolver_close();
    is_open = false;
}

static int push_failure(lua_State *L, int status) {
    switch (status) {
    case ARES_ENOTFOUND:
        return pe_vm_refuse(L, "no such name", "ENOTFOUND");
    case ARES_ENODATA:
        return pe_vm_refuse(L, "no such record", "ENODATA");
    case PE_ANSWER_LOOP:
        return pe_vm_refuse(L, "aliases lead in a loop", "ESERVFAIL");
    case ARES_EBADRESP:
        return pe_vm_refuse(L, "malformed answer", "ESERVFAIL");
    case ARES_ETIMEOUT:
        return pe_vm_refuse(L, "no answer", "ETIMEDOUT");
    case ARES_ENOMEM:
        return pe_vm_refuse(L, "not enough memory", "ENOMEM");
    default: // SERVFAIL, REFUSED, NOTIMP, a refused connection: c-ares tells them apart only when it has one server
        return pe_vm_refuse(L, "no server answered usefully", "ESERVFAIL");
    }
}

// Pushes records or nil, reason, code; and how often a server kept silent before this answer.
static int push_result(lua_State *L, void *operation) {
    const struct request *request = operation;
    const struct pe_query *query = &request->query;
    int status = query->status;
    if (!status) status = pe_answer_push(L, query->answer, (size_t)query->length, request->name, request->type);
    if (status)
        push_failure(L, status);
    else
        lua_pushnil(L), lua_pushnil(L);
    lua_pushinteger(L, query->timeouts);
    return 4;
}

static void hand_out(lua_State *L, void *unused) {
    struct pe_query *query;
    (void)unused;
    while ((query = pe_resolver_finished())) {
        struct request *request = (struct request *)query;
        pe_task_deliver(L, &request->wait, push_result, request);
        pe_resolver_release(query);
    }
}

// One entry for all results of a turn. The one that there is no memory for is told so, and the rest goes on.
static void on_turn(void) {
    struct pe_query *query;
    while (pe_vm_enter(hand_out, NULL) && (query = pe_resolver_finished())) {
        if (query->status == ARES_ENOMEM) {
            pe_task_wake_closed(&((struct request *)query)->wait);
            pe_resolver_release(query);
        } else {
            query->status = ARES_ENOMEM;
        }
    }
}

static void abandon(struct pe_wait *wait) {
    pe_resolver_release((struct pe_query *)((char *)wait - offsetof(struct request, wait)));
}

// What is left of a scope's time differs at each call, and channels are to be few: such a timing is rounded down, and
// who asks goes on asking in the rest. What people write, as 1 s, stays as it is.
static int round_timing(int milliseconds) {
    int shift = 0;
    if (milliseconds % 100 == 0) return milliseconds;
    while (milliseconds >> shift > 7) shift++;
    return milliseconds >> shift << shift;
}

static struct pe_timing check_timing(lua_State *L) {
    int tries = luaL_checkint(L, 4);
    double timeout = 1000 * luaL_checknumber(L, 5), deadline = 1000 * luaL_checknumber(L, 6);
    luaL_argcheck(L, tries >= 1 && tries <= MAX_TRIES, 4, "expected 1 to 10");
    luaL_argcheck(L, timeout > 0 && timeout <= 1e9, 5, "expected seconds");
    return (struct pe_timing){
        .timeout = round_timing((int)ceil(timeout)),
        .tries = tries,
        .deadline = (uint64_t)fmax(0, fmin(ceil(deadline), 1e15)),
    };
}

// query(name, type, servers, tries, timeout, deadline) -> records, nil, nil, silences | nil, reason, code, silences.
// The name is absolute, the type a number, times are seconds, the deadline on the clock of engine.timer. `silences`:
// how often a server kept silent before this answer.
static int l_query(lua_State *L) {
    size_t length;
    const char *name = luaL_checklstring(L, 1, &length), *servers = luaL_checkstring(L, 3);
    int type = luaL_checkint(L, 2);
    luaL_argcheck(L, length <= MAX_NAME, 1, "expected at most 253 bytes");
    struct pe_timing timing = check_timing(L);
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    if (!is_open) pe_resolver_open(pe_vm_loop(), on_turn);
    is_open = true;
    struct request *request = calloc(1, sizeof *request + length + 1);
    if (!request) return luaL_error(L, "not enough memory for a query");
    request->type = type;
    memcpy(request->name, name, length);
    int status = pe_resolver_ask(&request->query, servers, name, type, &timing);
    if (!status) return pe_task_suspend(L, &request->wait, abandon);
    free(request);
    if (status == UV_ENOMEM) return luaL_error(L, "not enough memory for a query");
    if (status == UV_EINVAL) return luaL_argerror(L, 3, "expected addresses with ports");
    lua_pushfstring(L, "%d look-ups wait for %s already", PE_RESOLVER_QUERIES, servers);
    pe_vm_refuse(L, lua_tostring(L, -1), "EAGAIN");
    return lua_pushinteger(L, 0), 4;
}

// literal(text) -> the address without its zone, as it is usually written; nothing if it is none.
static int l_literal(lua_State *L) {
    char address[INET6_ADDRSTRLEN];
    struct in6_addr bytes;
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    size_t length = strcspn(text, "%");
    if (length >= sizeof address || strlen(text) != size) return 0;
    memcpy(address, text, length);
    address[length] = 0;
    int family = memchr(address, ':', length) ? AF_INET6 : AF_INET;
    if (inet_pton(family, address, &bytes) != 1) return 0;
    lua_pushstring(L, inet_ntop(family, &bytes, address, sizeof address));
    return 1;
}

static const luaL_Reg functions[] = {{"query", l_query}, {"literal", l_literal}, {NULL, NULL}};

int luaopen_engine_dns(lua_State *L) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
