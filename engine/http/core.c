// SPDX-License-Identifier: MIT
// The C half of engine.http, a library of its own that is loaded when HTTP is first asked for.
// Invariant: libcurl ends with the state, after the loop.
#include "../vm.h"
#include "transfer.h"
#include "unpack.h"
#include <curl/curl.h>
#include <stdlib.h>

static const char library_name[] = "http library", url_name[] = "http url";

struct url {
    CURLU *parsed;
    char *part;
};

static void free_url(void *pointer) {
    struct url *url = pointer;
    curl_url_cleanup(url->parsed);
    curl_free(url->part);
    free(url);
}

static struct url *new_url(lua_State *L) {
    struct url **box = pe_vm_object(L, url_name, sizeof *box), *url = *box = calloc(1, sizeof *url);
    if (!url || !(url->parsed = curl_url())) luaL_error(L, "not enough memory");
    return url;
}

// Sets a field of the table at index 3, unless the URL lacks that part.
static void set_part(lua_State *L, struct url *url, const char *name, CURLUPart part) {
    unsigned flags = part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0;
    curl_free(url->part);
    url->part = NULL;
    if (curl_url_get(url->parsed, part, &url->part, flags)) return;
    lua_pushstring(L, url->part);
    lua_setfield(L, 3, name);
}

// url(text, base?) -> { scheme, user, host, port (a string), query, whole, plain } | nil, reason: of a text that may be
// relative to `base`. `whole` has no fragment; `plain` neither user info nor query.
static int l_url(lua_State *L) {
    const char *text = luaL_checkstring(L, 1), *base = luaL_optstring(L, 2, NULL);
    lua_settop(L, 2);
    lua_newtable(L);
    struct url *url = new_url(L);
    CURLUcode status = base ? curl_url_set(url->parsed, CURLUPART_URL, base, 0) : CURLUE_OK;
    if (!status) status = curl_url_set(url->parsed, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    if (status) {
        lua_pushnil(L);
        lua_pushstring(L, curl_url_strerror(status));
        return 2;
    }
    set_part(L, url, "scheme", CURLUPART_SCHEME);
    set_part(L, url, "user", CURLUPART_USER);
    set_part(L, url, "host", CURLUPART_HOST);
    set_part(L, url, "port", CURLUPART_PORT);
    set_part(L, url, "query", CURLUPART_QUERY);
    curl_url_set(url->parsed, CURLUPART_FRAGMENT, NULL, 0);
    set_part(L, url, "whole", CURLUPART_URL);
    curl_url_set(url->parsed, CURLUPART_USER, NULL, 0);
    curl_url_set(url->parsed, CURLUPART_PASSWORD, NULL, 0);
    curl_url_set(url->parsed, CURLUPART_QUERY, NULL, 0);
    set_part(L, url, "plain", CURLUPART_URL);
    lua_settop(L, 3);
    return 1;
}

// option(name): the number of an option of libcurl's.
static int l_option(lua_State *L) {
    const struct curl_easyoption *option = curl_easy_option_by_name(luaL_checkstring(L, 1));
    if (!option) luaL_error(L, "libcurl has no option %s", lua_tostring(L, 1));
    lua_pushinteger(L, option->id);
    return 1;
}

static void close_library(void *unused) {
    (void)unused;
    pe_transfer_shut_down();
    curl_global_cleanup();
}

static const luaL_Reg functions[] = {
    {"start", pe_transfer_l_start}, {"unpack", pe_unpack_l_unpack}, {"url", l_url}, {"option", l_option}, {NULL, NULL}};

/// For package.loadlib, before the other: the version of the engine that this was built with.
int luaopen_engine_http_version(lua_State *L) {
    lua_pushliteral(L, PE_VERSION);
    return 1;
}

/// For package.loadlib; once.
int luaopen_engine_http(lua_State *L) {
    pe_vm_class(L, library_name, close_library, NULL);
    pe_vm_class(L, url_name, free_url, NULL);
    pe_transfer_register(L);
    pe_unpack_register(L);
    void **box = pe_vm_object(L, library_name, sizeof *box);
    luaL_ref(L, LUA_REGISTRYINDEX); // released with the state
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) luaL_error(L, "not enough memory");
    *box = (void *)library_name;
    return pe_vm_module(L, functions, NULL);
}
