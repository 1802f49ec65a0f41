// SPDX-License-Identifier: MIT
// The C half of engine.dns: one query at a time for each task. Invariant: no task runs while results are handed out.
#include "answer.h"
#include "modules.h"
#include "resolver.h"
#include "task.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct request {
    struct pe_query query;
    struct pe_wait wait;
};

static const struct {
    int status;
    const char *reason, *code;
} failures[] = {
    {ARES_ENOTFOUND, "no such name", "ENOTFOUND"},
    {ARES_ENODATA, "no such record", "ENODATA"},
    {PE_ANSWER_LOOP, "aliases lead in a loop", "ESERVFAIL"},
    {ARES_EBADRESP, "malformed answer", "ESERVFAIL"},
    {ARES_ETIMEOUT, "no answer", "ETIMEDOUT"},
    {ARES_ENOMEM, "not enough memory", "ENOMEM"},
    // SERVFAIL, REFUSED, NOTIMP, a refused connection: c-ares tells them apart only when it has one server
    {0, "no server answered usefully", "ESERVFAIL"},
};

static int push_failure(lua_State *L, int status) {
    int i = 0;
    while (failures[i].status && failures[i].status != status) i++;
    return pe_vm_refuse(L, failures[i].reason, failures[i].code);
}

// Pushes records or nil, reason, code; and how often a server kept silent before this answer.
static int push_result(lua_State *L, void *operation) {
    const struct pe_query *query = operation;
    int status = query->status, top = lua_gettop(L);
    if (!status) status = pe_answer_push(L, query->answer, (size_t)query->length);
    if (status) push_failure(L, status);
    lua_settop(L, top + 3);
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

// query(name, type, servers, tries, wait, deadline) -> records, nil, nil, silences | nil, reason, code, silences.
// The name is absolute, the type a number; `wait` are the milliseconds of each server's first try, the deadline is in
// seconds on the clock of engine.timer. `silences`: how often a server kept silent before this answer.
static int l_query(lua_State *L) {
    const char *name = luaL_checkstring(L, 1), *servers = luaL_checkstring(L, 3);
    int type = luaL_checkint(L, 2);
    struct pe_timing timing = {luaL_checkint(L, 5), luaL_checkint(L, 4), (uint64_t)ceil(1000 * luaL_checknumber(L, 6))};
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    struct request *request = calloc(1, sizeof *request);
    int status = request ? pe_resolver_ask(&request->query, servers, name, type, &timing) : UV_ENOMEM;
    if (!status) return pe_task_suspend(L, &request->wait, abandon);
    free(request);
    if (status == UV_ENOMEM) return luaL_error(L, "not enough memory for a query");
    if (status == UV_EINVAL) return luaL_argerror(L, 3, "expected addresses with ports");
    pe_vm_refuse(L, lua_pushfstring(L, "%d look-ups wait for %s already", PE_RESOLVER_QUERIES, servers), "EAGAIN");
    return lua_pushinteger(L, 0), 4;
}

// literal(text) -> the address without its zone, as it is usually written; nothing if it is none.
static int l_literal(lua_State *L) {
    char address[INET6_ADDRSTRLEN];
    struct in6_addr bytes;
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (strlen(text) != size || uv_inet_pton(family, text, &bytes)) return 0;
    uv_inet_ntop(family, &bytes, address, sizeof address);
    lua_pushstring(L, address);
    return 1;
}

static const luaL_Reg functions[] = {{"query", l_query}, {"literal", l_literal}, {NULL, NULL}};

int luaopen_engine_dns(lua_State *L) {
    pe_resolver_open(pe_vm_loop(), on_turn);
    return pe_vm_module(L, functions, NULL);
}
