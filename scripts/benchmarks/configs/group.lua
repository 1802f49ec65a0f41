-- SPDX-License-Identifier: MIT
--- One of a group by the udp provider with its defaults, polled every BENCH_INTERVAL if that is set; says how many it knows.
local log = require("engine.log")

return {
  name = os.getenv("BENCH_NAME"), via = "udp", interface = "lo", port = tonumber(os.getenv("BENCH_PORT")),
  connect = "none", interval = tonumber(os.getenv("BENCH_INTERVAL")), log_level = "warn",
  on_change = function(nodes) log.warn(("known %d"):format(#nodes)) end,
}
