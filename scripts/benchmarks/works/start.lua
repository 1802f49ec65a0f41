-- SPDX-License-Identifier: MIT
--- From exec to the first poll, as its output says it: wall time, the median of some starts one after another.
local statistics = require("benchmarks.statistics")

local M = {}

local MOST = 15 -- ms from exec to the first poll
local STARTS, FEW = 20, 3 -- the latter of what takes long

-- Seconds.
local function median(measure, command, starts)
  local times = {}
  for i = 1, measure.quick and 1 or starts do
    local took = measure:run(command, { until_output = true }).first_output
    if took < 0 then error(command[1] .. " ended without a word", 0) end
    times[i] = took
  end
  return statistics.median(times)
end

local function make_case(measure, case)
  local runners = {}
  local function add(who, starts, runner, ...)
    local command = { ... }
    runner.who, runner.run = who, function() return { wall = median(measure, command, starts) } end
    runners[#runners + 1] = runner
  end
  local peers = measure.scripts .. "/peers/" .. case.peers
  add("bare C", STARTS, { note = "a Lua state with its libraries, a loop and a c-ares channel; ends when the loop first turns" },
    measure.tools .. "/bench-idle")
  add("peerage-lua", STARTS, { note = case.note }, measure.engine, measure.scripts .. "/configs/" .. case.config)
  add("node", STARTS, { needs = "node" }, "node", peers .. ".mjs")
  local note = ("compiles its script first; median of %d"):format(FEW)
  add("elixir", FEW, { needs = "elixir", rounds = 2, note = note }, "elixir", peers .. ".exs")
  return {
    name = "start." .. case.name, title = "start, " .. case.title, runners = runners,
    figures = { wall = { unit = "ms", scale = 1e3, budget = { most = MOST } } },
  }
end

---@param measure bench.Measure
---@return bench.Case[]
function M.cases(measure)
  return {
    make_case(measure, { name = "poll", title = "first poll", config = "start.lua", peers = "start" }),
    make_case(measure, {
      name = "found", title = "first node by dns", config = "dns.lua", peers = "idle",
      note = "localhost is found, connected and told to on_change, which is more than a poll",
    }),
  }
end

return M
