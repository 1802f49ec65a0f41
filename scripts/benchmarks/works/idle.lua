-- SPDX-License-Identifier: MIT
--- What processes use that wait: wake-ups (voluntary context switches of all their threads) and CPU. All are looked at
--- during the same minute, some time after they started.
local Fleet = require("benchmarks.fleet")
local Measure = require("benchmarks.measure")
local idlers = require("benchmarks.idlers")
local ports = require("benchmarks.ports")
local process = require("engine.process")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

local MINUTE, SETTLE = 60, 10 -- seconds
local GROUP = 30
local MOST_CPU = 0.05 -- % of a core, of an engine in the group
local MOST_STRAY = 1 -- wake-ups in a minute in which nothing is due
local NOTES = {
  still = "provider dns that polls once an hour: what wakes it in a minute was not asked for",
  poll = "a poll wakes up to 13 times: its timer; four looks, at the hosts file and at the config, the provider and the connector, "
    .. "which may have changed, each by a thread that is woken and wakes the engine; two waits of a millisecond for the turns of "
    .. "others; two at most of threads that wait for each other. Six polls a minute are asked for",
  announcing = "with a poll an hour: one of its own announcements is due every 3 to 7 s, and comes back at once",
}
local PATIENCE = 30 -- seconds for a group of agents to be one

-- The sums of all processes of each member.
local function spent(pids)
  local sums = {}
  for member, of in pairs(pids) do
    local sum = { cpu = 0, switches = 0 }
    for _, pid in ipairs(of) do
      local one = Measure.spent(pid)
      sum.cpu, sum.switches = sum.cpu + one.cpu, sum.switches + one.switches
    end
    sums[member] = sum
  end
  return sums
end

-- Means of a process: wake-ups in a minute, and the share of a core.
local function watch(pids, seconds)
  local before = spent(pids)
  task.sleep(seconds)
  local seen = {}
  for member, now in pairs(spent(pids)) do
    local process_seconds = #pids[member] * seconds
    seen[member] = {
      wakeups = (now.switches - before[member].switches) / process_seconds * MINUTE,
      cpu = (now.cpu - before[member].cpu) / process_seconds,
    }
  end
  return seen
end

local function count_members(address)
  local _, alive = assert(process.run({ "serf", "members", "-status=alive", "-rpc-addr=" .. address })).stdout:gsub("\n", "")
  return alive
end

-- Agents take some time to hear of all others.
local function await_members(address)
  local deadline = timer.now() + PATIENCE
  while count_members(address) < GROUP do
    if timer.now() > deadline then error(("serf: %d agents have not joined in %d s"):format(GROUP, PATIENCE), 0) end
    task.sleep(0.2)
  end
end

local function make_case(name, title, runners, budgets)
  return {
    name = "idle." .. name, title = "idle, " .. title, runners = runners,
    figures = {
      wakeups = { unit = "/min", budget = budgets.wakeups }, cpu = { unit = "%", scale = 100, budget = budgets.cpu },
    },
  }
end

---@param measure bench.Measure
---@return bench.Case[]
function M.cases(measure)
  local serf_port, port = ports.tcp(1)[1], ports.udp()
  local bare, resolving, still = idlers.bare(measure), idlers.resolving(measure), idlers.still(measure)
  local alone, group = idlers.grouped(measure, 1, port), idlers.grouped(measure, GROUP, port + 1)
  local announcing, serf = idlers.grouped(measure, 1, port + 2, idlers.RARELY), idlers.serf(GROUP, serf_port)
  still.note, resolving[1].note, announcing.note = NOTES.still, NOTES.poll, NOTES.announcing
  local runners = Fleet.runners({
    measure = measure, members = { bare, still, alone, announcing, group, serf, unpack(resolving) },
    look = function(pids)
      if pids[serf] then await_members("127.0.1.1:" .. serf_port + 1) end
      task.sleep(measure.quick and 1 or SETTLE)
      return watch(pids, measure.quick and 2 or MINUTE)
    end,
  })
  return {
    make_case("still", "nothing due", runners({ still }), { wakeups = { most = MOST_STRAY } }),
    make_case("dns", "dns", runners({ bare, unpack(resolving) }), {}),
    make_case("udp", "udp alone", runners({ bare, alone }), {}),
    make_case("announcing", "udp, no polls", runners({ announcing }), {}),
    make_case("group", ("one of %d"):format(GROUP), runners({ bare, group, serf }), { cpu = { most = MOST_CPU } }),
  }
end

return M
