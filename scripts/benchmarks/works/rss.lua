-- SPDX-License-Identifier: MIT
--- Memory of processes that wait, some seconds after they found what there is to find. "unshared" is what each has written:
--- what one more of the same takes. Pages that are only read count for none, for whether some other process has them, too, is
--- chance: all engines of a run, and what runs it, do. What a process starts (BEAM's erl_child_setup, for one) is not counted.
local Fleet = require("benchmarks.fleet")
local Measure = require("benchmarks.measure")
local idlers = require("benchmarks.idlers")
local ports = require("benchmarks.ports")
local task = require("engine.task")

local M = {}

local MOST = 6 -- MB, resident, of the engine with provider dns
local LINKS = 100
local SETTLE = 5 -- seconds
local ROUNDS = 3

-- Who links to nodes, and the one process that is all of these nodes.
local function linked(measure, epmd_port)
  local env = { ERL_EPMD_PORT = epmd_port, BENCH_NODES = LINKS, HOME = measure.folder.path }
  local function job(ready, ...) return { command = { ... }, ready = ready, env = env } end
  local all, peer = "linked " .. LINKS, measure.scripts .. "/peers/links.exs"
  local elixir = job(all, "elixir", "--erl", "-start_epmd false", "--name", "elixir@127.0.0.1", "--cookie", "bench", peer, LINKS)
  return {
    { who = "peerage-lua", jobs = { job(all, measure.engine, measure.scripts .. "/configs/links.lua") } },
    { who = "elixir", needs = "elixir", jobs = { elixir } },
  }, { job("ready", measure.engine, "run", measure.scripts .. "/clients/nodes.lua", LINKS) }
end

local function look(pids, settle)
  task.sleep(settle)
  local seen = {}
  for member, of in pairs(pids) do
    local memory = Measure.memory(of[1])
    seen[member] = { resident = memory.rss, unshared = memory.unshared }
  end
  return seen
end

local function make_case(name, title, runners, budget)
  local function figure(most) return { unit = "MB", scale = 1 / 2 ^ 20, budget = most } end -- as VmRSS's kB are 2^10
  return {
    name = "rss." .. name, title = "memory, " .. title, figures = { resident = figure(budget), unshared = figure() },
    runners = runners,
  }
end

---@param measure bench.Measure
---@return bench.Case[]
function M.cases(measure)
  local bare, serf = idlers.bare(measure), idlers.serf(1, ports.tcp(1)[1])
  serf.note = "an agent alone, which asks no DNS"
  local resolving, group = idlers.resolving(measure), idlers.grouped(measure, 1, ports.udp())
  local links, nodes = linked(measure, ports.tcp(1)[1])
  local members = { bare, serf, group, unpack(resolving) }
  for _, member in ipairs(links) do members[#members + 1] = member end
  local runners = Fleet.runners({
    measure = measure, members = members, company = nodes, rounds = ROUNDS,
    look = function(pids) return look(pids, measure.quick and 0.5 or SETTLE) end,
  })
  return {
    make_case("dns", "dns", runners({ bare, resolving[1], resolving[2], resolving[3], serf }), { most = MOST }),
    make_case("udp", "udp", runners({ bare, group })),
    make_case("links", ("%d Erlang links"):format(LINKS), runners({ bare, unpack(links) })),
  }
end

return M
