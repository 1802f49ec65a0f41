-- SPDX-License-Identifier: MIT
--- An Erlang node that links to those of clients/nodes.lua; says how many links there are.
local log = require("engine.log")

local names = {}
for i = 1, tonumber(os.getenv("BENCH_NODES")) do names[i] = ("app%d@127.0.0.1"):format(i) end

return {
  name = "engine@127.0.0.1", via = "list", node_list = names, connect = { "erlang", cookie = "bench" }, log_level = "warn",
  on_change = function(nodes)
    local live = 0
    for _, node in ipairs(nodes) do live = live + (node.live and 1 or 0) end
    log.warn(("linked %d"):format(live))
  end,
}
