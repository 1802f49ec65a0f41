-- SPDX-License-Identifier: MIT
--- Processes that are looked at while they run side by side. Invariant: what was started has ended when they were seen.
local Crowd = require("benchmarks.crowd")
local Measure = require("benchmarks.measure")

local M = {}

local PATIENCE = 30 -- seconds for all to be ready

---@class bench.Candidate what one of those who are compared runs
---@field who string as of bench.Runner
---@field jobs bench.Job[] usually one
---@field needs string|nil as of bench.Runner
---@field note string|nil as of bench.Runner

---@class bench.Job
---@field command string[]
---@field ready string what it prints when it does its work
---@field env table<string, string|number>|nil

---@class bench.Sight
---@field measure bench.Measure
---@field members bench.Candidate[] each once, whatever number of cases it is in
---@field company bench.Job[]|nil what runs beside them and is ready before they start
---@field rounds integer|nil how often they are started and looked at; once without it
---@field look fun(pids: table<bench.Candidate, integer[]>): table<bench.Candidate, table<string, number>> what is called when all
---  are ready: the figures of those that are there

-- Starts them at once; `ready` is told by which line each says that it does its work.
local function launch(crowd, jobs, ready)
  local pids = {}
  for i, job in ipairs(jobs) do
    local process = crowd:start(job.command[1], job.command, job.env)
    pids[i], ready[process] = process.pid, job.ready
  end
  return pids
end

local function await(crowd, ready)
  local processes = {}
  for process in pairs(ready) do processes[#processes + 1] = process end
  crowd:await(processes, function(process, line) return line:find(ready[process], 1, true) and true or nil end, PATIENCE)
end

local function see(sight)
  return Crowd.gather(sight.measure, function(crowd)
    local company, ready, pids = {}, {}, {}
    launch(crowd, sight.company or {}, company)
    await(crowd, company)
    for _, member in ipairs(sight.members) do
      if not member.needs or Measure.is_installed(member.needs) then pids[member] = launch(crowd, member.jobs, ready) end
    end
    await(crowd, ready)
    local seen = sight.look(pids)
    crowd:check()
    return seen
  end)
end

--- Has all members run at the same time, when the first of them is to run in a round: all cases share what is seen then.
---@param sight bench.Sight
---@return fun(members: bench.Candidate[]): bench.Runner[] runners of a case, of some of the members
function M.runners(sight)
  local seen = {}
  local function make_run(member)
    local round = 0
    return function()
      round = round + 1
      seen[round] = seen[round] or see(sight)
      return seen[round][member]
    end
  end
  return function(members)
    local runners = {}
    for i, member in ipairs(members) do
      runners[i] = {
        who = member.who, needs = member.needs, note = member.note, rounds = sight.rounds or 1, run = make_run(member),
      }
    end
    return runners
  end
end

return M
