-- SPDX-License-Identifier: MIT
--- The udp provider as shipped; with BENCH_VERIFY it says how many nodes it knows.
local log = require("engine.log")

return {
  name = "bench@127.0.0.1", connect = "none", sync_offset = 0, log_results = false, log_level = "warn",
  via = {
    "udp", interface = "lo", port = tonumber(os.getenv("BENCH_PORT")), max_nodes = tonumber(os.getenv("BENCH_NAMES")) + 1,
    secret = os.getenv("BENCH_SECRET"),
  },
  on_change = os.getenv("BENCH_VERIFY") and function(nodes) log.warn(("known %d"):format(#nodes)) end,
}
