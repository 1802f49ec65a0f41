-- SPDX-License-Identifier: MIT
--- Erlang nodes in one process, app1@127.0.0.1 and so on, that let themselves be linked to:
--- `peerage-lua run nodes.lua COUNT`. They register at the EPMD of ERL_EPMD_PORT, or serve it. Says when all have.
local ErlangNode = require("peerage.erlang.node")
local log = require("engine.log")
local scopes = require("engine.scope")
local task = require("engine.task")

log.level("warn")
for i = 1, tonumber(arg[1]) do
  assert(ErlangNode.start({
    name = ("app%d@127.0.0.1"):format(i), cookie = function() return "bench" end, hidden = true, ticktime = 60,
    max_frame = 8 * 1024 ^ 2, listen = "127.0.0.1", epmd = "auto", log = log.named("nodes"), scope = scopes.new(),
  }))
end
log.warn("ready")
task.sleep(1e9)
