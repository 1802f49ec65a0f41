-- SPDX-License-Identifier: MIT
--- From exec to the first poll, as its output says it: wall time, the median of some starts one after another.
local statistics = require("benchmarks.statistics")

local M = {}

local MOST = 15 -- ms from exec to the first poll
local STARTS, FEW = 20, 3 -- the latter of what takes long

-- Seconds until it says what is awaited, first of all: any other word would be of something that went wrong.
local function median(measure, command, starts, awaited)
  local times = {}
  for i = 1, measure.quick and 1 or starts do
    local used, lines = measure:run(command, { until_output = true })
    if not lines[1]:find(awaited, 1, true) then
      error(("%s: expected %q first, found %q"):format(command[1], awaited, lines[1]), 0)
    end
    times[i] = used.first_output
  end
  return statistics.median(times)
end

local function make_case(measure, case)
  local runners = {}
  local function add(who, starts, runner, ...)
    local command = { ... }
    runner.who, runner.run = who, function() return { wall = median(measure, command, starts, runner.awaits or case.awaits) } end
    runners[#runners + 1] = runner
  end
  local peers = measure.scripts .. "/peers/" .. case.peers
  local bare = "a Lua state with its libraries, a loop and a c-ares channel; ends when the loop first turns"
  add("bare C", STARTS, { awaits = "ready", note = bare }, measure.tools .. "/bench-idle")
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
    make_case(measure, { name = "poll", title = "first poll", config = "start.lua", peers = "start", awaits = "polled" }),
    make_case(measure, {
      name = "found", title = "first node by dns", config = "dns.lua", peers = "idle", awaits = "found 1",
      note = "localhost is found, connected and told to on_change, which is more than a poll",
    }),
  }
end

return M
