-- SPDX-License-Identifier: MIT
--- Processes that are looked at while they run side by side. Invariant: what was started has ended when they were seen.
local Daemon = require("support.daemon")
local Measure = require("benchmarks.measure")

local M = {}

local PATIENCE = 30 -- seconds for all to be ready

---@class bench.Member what one of those who are compared runs
---@field who string as of bench.Runner
---@field jobs bench.Job[] usually one
---@field needs string|nil as of bench.Runner
---@field note string|nil as of bench.Runner

---@class bench.Job
---@field command string[]
---@field ready string what it prints when it does its work
---@field env table<string, string|number>|nil

---@class bench.Sight
---@field members bench.Member[] each once, whatever number of cases it is in
---@field company bench.Job[]|nil what runs beside them and is ready before they start
---@field look fun(pids: table<bench.Member, integer[]>): table<bench.Member, table<string, number>> what is called when all
---  are ready: the figures of those that are there

-- Each is started at once; then all are awaited.
local function start(jobs, fleet)
  local started = {}
  for i, job in ipairs(jobs) do
    started[i] = Daemon.run(job.command, { env = job.env })
    started[i].ready = job.ready
    fleet[#fleet + 1] = started[i]
  end
  return started
end

local function await(fleet)
  for _, daemon in ipairs(fleet) do
    if daemon.ready then daemon:expect(daemon.ready, PATIENCE) end
    daemon.ready = nil
  end
end

-- One that ended early was looked at for nothing.
local function check(fleet)
  for _, daemon in ipairs(fleet) do
    if daemon.reader:is_finished() then error("it ended early; it said:\n" .. table.concat(daemon.log, "\n"), 0) end
  end
end

local function stop(fleet)
  for _, daemon in ipairs(fleet) do
    daemon:signal("KILL")
    daemon:wait()
  end
end

local function see(sight, fleet)
  start(sight.company or {}, fleet)
  await(fleet)
  local pids = {}
  for _, member in ipairs(sight.members) do
    if not member.needs or Measure.is_installed(member.needs) then
      pids[member] = {}
      for i, daemon in ipairs(start(member.jobs, fleet)) do pids[member][i] = daemon.process.pid end
    end
  end
  await(fleet)
  local seen = sight.look(pids)
  check(fleet)
  return seen
end

local function see_and_stop(sight)
  local fleet = {}
  local ok, result = pcall(see, sight, fleet)
  stop(fleet)
  if not ok then error(result, 0) end
  return result
end

--- Has all members run at the same time, when the first of them is to run: once, in the first round.
---@param sight bench.Sight
---@return fun(members: bench.Member[]): bench.Runner[] runners of a case, of some of the members
function M.runners(sight)
  local seen
  return function(members)
    local runners = {}
    for i, member in ipairs(members) do
      runners[i] = {
        who = member.who, needs = member.needs, note = member.note, rounds = 1,
        run = function()
          seen = seen or see_and_stop(sight)
          return seen[member]
        end,
      }
    end
    return runners
  end
end

return M
