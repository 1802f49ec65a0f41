// SPDX-License-Identifier: MIT
// engine.dns: look-ups for tasks, by the process's one resolver.
// Invariant: a request lives from its look-up's start until the task has its result or has gone.
#include "dns.h"
#include "modules.h"
#include "resolver.h"
#include "servers.h"
#include "task.h"
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TIMEOUT = 300, MAX_TRIES = 10, SERVER_TEXT = 64 };

struct request {
    struct pe_wait wait;
    struct pe_lookup *lookup;
    const struct pe_lookup_result *result; // NULL until it is done
};

static struct pe_resolver *resolver;

void pe_dns_shut_down(void) {
    if (resolver) pe_resolver_free(resolver);
    resolver = NULL;
}

static void set_string(lua_State *L, const char *key, const char *text, size_t length) {
    lua_pushlstring(L, text, length);
    lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

static void push_address(lua_State *L, const struct pe_record *record, const char *zone) {
    char text[INET6_ADDRSTRLEN];
    bool is_inet = record->type == ns_t_a;
    inet_ntop(is_inet ? AF_INET : AF_INET6, record->address, text, sizeof text);
    lua_pushstring(L, text);
    if (record->length) {
        lua_pushliteral(L, "%");
        lua_pushlstring(L, zone, record->length);
        lua_concat(L, 3);
    }
    lua_setfield(L, -2, "address");
    if (is_inet)
        set_string(L, "family", "inet", 4);
    else
        set_string(L, "family", "inet6", 5);
}

static void push_record(lua_State *L, const struct pe_record *record, const char *texts) {
    bool is_srv = record->type == ns_t_srv, is_txt = record->type == ns_t_txt;
    const char *text = texts + record->text;
    lua_createtable(L, 0, is_srv ? 5 : 3);
    set_integer(L, "ttl", record->ttl);
    if (record->type == ns_t_a || record->type == ns_t_aaaa) return push_address(L, record, text);
    set_string(L, is_txt ? "text" : "target", record->length ? text : "", record->length);
    if (is_srv || record->type == ns_t_mx) set_integer(L, "priority", record->priority);
    if (!is_srv) return;
    set_integer(L, "weight", record->weight);
    set_integer(L, "port", record->port);
}

static int push_result(lua_State *L, void *argument) {
    const struct pe_lookup_result *result = ((struct request *)argument)->result;
    int count = 0;
    if (result->code) return pe_vm_refuse(L, result->message, result->code);
    lua_createtable(L, (int)(result->records[0].count + result->records[1].count), 0);
    for (const struct pe_records *records = result->records; records < result->records + 2; records++) {
        for (size_t i = 0; i < records->count; i++) {
            push_record(L, &records->items[i], records->texts);
            lua_rawseti(L, -2, ++count);
        }
    }
    if (!result->message) return 1;
    lua_pushstring(L, result->message);
    return 2;
}

static void on_done(void *data, const struct pe_lookup_result *result) {
    struct request *request = data;
    request->result = result;
    pe_task_finish(&request->wait, push_result, request);
    pe_resolver_release(request->lookup);
    free(request);
}

// A task that goes while its result is being made leaves the request to on_done.
static void abandon(struct pe_wait *wait) {
    struct request *request = (struct request *)wait;
    if (request->result) return;
    pe_resolver_release(request->lookup);
    free(request);
}

// Joins the option `servers` of the table at `index` with commas in `list`; NULL without it.
static const char *read_servers(lua_State *L, int index, char *list, size_t size) {
    int type = pe_vm_option(L, index, "servers");
    size_t used = 0, count = type == LUA_TTABLE ? lua_objlen(L, -1) : 0;
    if (type == LUA_TNIL) return lua_pop(L, 1), NULL;
    if (!count || count > PE_SERVERS_MAX)
        luaL_error(L, "option \"servers\": expected a list of 1 to %d strings", PE_SERVERS_MAX);
    for (size_t i = 1; i <= count; i++) {
        size_t length = 0;
        lua_rawgeti(L, -1, (int)i);
        const char *server = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
        if (!server || length + 2 > size - used)
            luaL_error(L, "option \"servers\": expected an address or address:port at %d, found a %s", (int)i,
                       server ? "long text" : luaL_typename(L, -1));
        if (used) list[used++] = ',';
        memcpy(list + used, server, length + 1);
        used += length;
        lua_pop(L, 1);
    }
    return lua_pop(L, 1), list;
}

// An option of at most `most`, in units of which it has `scale`, at least one, rounded up; 0 without it.
static int read_number(lua_State *L, int index, const char *name, double scale, double most) {
    double value = pe_vm_option_number(L, index, name, 0);
    bool is_given = pe_vm_option(L, index, name) != LUA_TNIL;
    lua_pop(L, 1);
    bool is_whole = scale > 1 || value == floor(value);
    if (is_given && !(value * scale >= 1 && value <= most && is_whole))
        luaL_error(L, "option \"%s\": expected %f to %f, found %f", name, 1 / scale, most, value);
    return (int)ceil(value * scale);
}

static int read_family(lua_State *L) {
    const char *family = pe_vm_option_string(L, 2, "family", "any");
    if (!strcmp(family, "any")) return PE_FAMILY_ANY;
    if (!strcmp(family, "inet")) return PE_FAMILY_INET;
    if (!strcmp(family, "inet6")) return PE_FAMILY_INET6;
    return luaL_error(L, "option \"family\": expected \"any\", \"inet\" or \"inet6\", found \"%s\"", family);
}

static int read_type(lua_State *L) {
    int type = lua_type(L, 2) == LUA_TSTRING ? pe_answer_type(lua_tostring(L, 2)) : 0;
    if (!type) luaL_argerror(L, 2, "expected A, AAAA, SRV, TXT, PTR, CNAME, MX or NS");
    return type;
}

// Looks the name at index 1 up, with the options at `index`: records of `type`, or with type 0 addresses of `family`.
static int look_up(lua_State *L, int index, int type, enum pe_family family) {
    char list[PE_SERVERS_MAX * SERVER_TEXT];
    lua_settop(L, index);
    luaL_checktype(L, 1, LUA_TSTRING);
    const char *name = lua_tostring(L, 1);
    const struct pe_lookup_options options = {
        .servers = read_servers(L, index, list, sizeof list),
        .timeout = read_number(L, index, "timeout", 1000, MAX_TIMEOUT),
        .tries = read_number(L, index, "tries", 1, MAX_TRIES),
        .limit = (int)ceil(1000 * pe_scope_timeout(pe_task_scope(), MAX_TIMEOUT)),
    };
    if (strlen(name) != lua_objlen(L, 1)) return pe_vm_refuse(L, "bad name: it has a zero byte", "EBADNAME");
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    if (!resolver) resolver = pe_resolver_new(pe_vm_loop());
    struct request *request = resolver ? calloc(1, sizeof *request) : NULL;
    if (!request) return luaL_error(L, "not enough memory for a look-up");
    request->lookup = type ? pe_resolver_query(resolver, name, type, &options, on_done, request)
                           : pe_resolver_addresses(resolver, name, family, &options, on_done, request);
    if (request->lookup) return pe_task_suspend(L, &request->wait, abandon);
    free(request);
    return luaL_error(L, "not enough memory for a look-up");
}

static int l_addresses(lua_State *L) {
    static const char *const names[] = {"family", "servers", "timeout", "tries", NULL};
    pe_vm_option_names(L, 2, names);
    return look_up(L, 2, 0, (enum pe_family)read_family(L));
}

static int l_query(lua_State *L) {
    static const char *const names[] = {"servers", "timeout", "tries", NULL};
    pe_vm_option_names(L, 3, names);
    return look_up(L, 3, read_type(L), PE_FAMILY_ANY);
}

static int l_files(lua_State *L) {
    static const char *const names[] = {"hosts", "resolv_conf", NULL};
    pe_vm_option_names(L, 1, names);
    const char *hosts = pe_vm_option_string(L, 1, "hosts", NULL);
    const char *resolv_conf = pe_vm_option_string(L, 1, "resolv_conf", NULL);
    if (!resolver) resolver = pe_resolver_new(pe_vm_loop());
    if (!resolver || pe_resolver_set_files(resolver, hosts, resolv_conf)) luaL_error(L, "not enough memory");
    return 0;
}

static const luaL_Reg functions[] = {{"addresses", l_addresses}, {"query", l_query}, {"files", l_files}, {NULL, NULL}};

int luaopen_engine_dns(lua_State *L) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
