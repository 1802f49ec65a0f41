-- SPDX-License-Identifier: MIT
--- The udp provider as shipped; says how many nodes it knows.
local log = require("engine.log")

return {
  name = "bench@127.0.0.1", connect = "none", sync_offset = tonumber(os.getenv("BENCH_SYNC_OFFSET")), interval = 1,
  log_results = false, log_level = "warn",
  via = {
    "udp", interface = "lo", port = tonumber(os.getenv("BENCH_PORT")), max_nodes = tonumber(os.getenv("BENCH_ROOM")),
    secret = os.getenv("BENCH_SECRET"),
  },
  on_change = function(nodes) log.warn(("known %d"):format(#nodes)) end,
}
