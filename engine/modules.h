// SPDX-License-Identifier: MIT
/// The Lua modules that the core provides. Those named `….core` are the C half of `engine/<name>.lua`, which holds
/// what must run after a suspension: a C function cannot go on after it yielded; `engine.fs.watch` that of watch.lua.
#pragma once

#include <lauxlib.h>

typedef int pe_module(lua_State *L);

pe_module luaopen_engine_account, luaopen_engine_crypto, luaopen_engine_dns, luaopen_engine_fs, luaopen_engine_log,
    luaopen_engine_net, luaopen_engine_process, luaopen_engine_queue, luaopen_engine_scope, luaopen_engine_task,
    luaopen_engine_tcp, luaopen_engine_timer, luaopen_engine_udp, luaopen_engine_watch;

static const luaL_Reg pe_modules[] = {{"engine.account.core", luaopen_engine_account},
                                      {"engine.crypto", luaopen_engine_crypto},
                                      {"engine.dns.core", luaopen_engine_dns},
                                      {"engine.fs.core", luaopen_engine_fs},
                                      {"engine.log.core", luaopen_engine_log},
                                      {"engine.net.core", luaopen_engine_net},
                                      {"engine.process.core", luaopen_engine_process},
                                      {"engine.queue.core", luaopen_engine_queue},
                                      {"engine.scope.core", luaopen_engine_scope},
                                      {"engine.task.core", luaopen_engine_task},
                                      {"engine.tcp.core", luaopen_engine_tcp},
                                      {"engine.timer.core", luaopen_engine_timer},
                                      {"engine.udp.core", luaopen_engine_udp},
                                      {"engine.fs.watch", luaopen_engine_watch},
                                      {NULL, NULL}};
