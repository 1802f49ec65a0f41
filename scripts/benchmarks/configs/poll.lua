-- SPDX-License-Identifier: MIT
--- A provider of BENCH_NODES nodes, of which BENCH_CHANGED are others at each poll. After BENCH_POLLS polls it says
--- "done", and with BENCH_TELL it says then which nodes are known.
local log = require("engine.log")
local nodes = require("poll.nodes")

local count, polls = tonumber(os.getenv("BENCH_NODES")), tonumber(os.getenv("BENCH_POLLS"))
local changed, kind = tonumber(os.getenv("BENCH_CHANGED")), os.getenv("BENCH_KIND")
local is_huge = count > 100000 -- more than the limits as shipped allow
local RECORD = 1024 -- bytes of memory_limit for a node, twice what the engine asks for
local polled = 0

local function poll()
  if polled == polls then
    log.warn("done")
    return nil, "done"
  end
  local list = nodes.list(count, polled * changed, kind)
  polled = polled + 1
  return list
end

local function tell(known)
  local least = math.huge
  for _, node in ipairs(known) do least = math.min(least, tonumber(node.name:match("^app(%d+)@"))) end
  log.warn(("known %d from %d"):format(#known, least))
end

return {
  name = "bench@127.0.0.1", connect = "none", sync_offset = 0, interval = 0.1, log_level = "warn",
  timeout = is_huge and 60 or nil, budget = is_huge and 60 or nil, memory_limit = is_huge and count * RECORD or nil,
  via = poll, on_change = os.getenv("BENCH_TELL") and tell or nil,
}
