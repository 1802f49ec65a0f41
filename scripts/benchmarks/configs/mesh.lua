-- SPDX-License-Identifier: MIT
--- Number BENCH_NODE of BENCH_NODES that all find each other, by BENCH_KIND; says whether it has all the others. What is
--- not here is as shipped.
local log = require("engine.log")

local function name_of(i) return ("n%d@127.0.0.1"):format(i) end

local count, name, names = tonumber(os.getenv("BENCH_NODES")), name_of(os.getenv("BENCH_NODE")), {}
for i = 1, count do names[i] = name_of(i) end

local KINDS = {
  erlang = { via = { "list", node_list = names }, connect = { "erlang", cookie = "bench" } },
  unlinked = { via = { "list", node_list = names }, connect = "none" },
  udp = {
    via = { "udp", interface = "lo", port = tonumber(os.getenv("BENCH_PORT")), secret = "a secret for the bench" },
    connect = "none",
  },
}

local function others_of(nodes)
  local live = 0
  for _, node in ipairs(nodes) do
    if node.live and node.name ~= name then live = live + 1 end
  end
  return live
end

local was_full = false

local function on_change(nodes)
  local is_full = others_of(nodes) == count - 1
  if is_full ~= was_full then log.warn(is_full and "mesh: full" or "mesh: not full") end
  was_full = is_full
end

local config = KINDS[os.getenv("BENCH_KIND")]
config.name, config.log_level, config.on_change = name, "warn", on_change
return config
