// SPDX-License-Identifier: MIT
/// The Lua modules that the core provides. Those named `….core` are the C half of `engine/<name>.lua`, which holds
/// what must run after a suspension: a C function cannot go on after it yielded.
#pragma once

#include <lauxlib.h>

int luaopen_engine_account(lua_State *L);
int luaopen_engine_crypto(lua_State *L);
int luaopen_engine_dns(lua_State *L);
int luaopen_engine_fs(lua_State *L);
int luaopen_engine_log(lua_State *L);
int luaopen_engine_net(lua_State *L);
int luaopen_engine_process(lua_State *L);
int luaopen_engine_queue(lua_State *L);
int luaopen_engine_scope(lua_State *L);
int luaopen_engine_task(lua_State *L);
int luaopen_engine_tcp(lua_State *L);
int luaopen_engine_timer(lua_State *L);
int luaopen_engine_udp(lua_State *L);

static const luaL_Reg pe_modules[] = {
    {"engine.account.core", luaopen_engine_account}, {"engine.crypto", luaopen_engine_crypto},
    {"engine.dns.core", luaopen_engine_dns},         {"engine.fs.core", luaopen_engine_fs},
    {"engine.log.core", luaopen_engine_log},         {"engine.net.core", luaopen_engine_net},
    {"engine.process.core", luaopen_engine_process}, {"engine.queue", luaopen_engine_queue},
    {"engine.scope.core", luaopen_engine_scope},     {"engine.task.core", luaopen_engine_task},
    {"engine.tcp.core", luaopen_engine_tcp},         {"engine.timer", luaopen_engine_timer},
    {"engine.udp.core", luaopen_engine_udp},         {NULL, NULL},
};
