-- SPDX-License-Identifier: MIT
--- Memory of processes that wait, some seconds after they found what there is to find. Each was started once; what it
--- has started itself (BEAM's erl_child_setup, for one) is not in it.
local Erlang = require("support.erlang")
local Fleet = require("benchmarks.fleet")
local Measure = require("benchmarks.measure")
local idlers = require("benchmarks.idlers")

local M = {}

local MOST = 6 -- MB, resident, of the engine with provider dns
local LINKS = 100

-- MB: 2^20 bytes, as VmRSS's kB are 2^10.
local function figures(budget)
  return { resident = { unit = "MB", scale = 1 / 2 ^ 20, budget = budget }, unshared = { unit = "MB", scale = 1 / 2 ^ 20 } }
end

local function look(pids)
  local seen = {}
  for who, of in pairs(pids) do
    local memory = Measure.memory(of[1])
    seen[who] = { resident = memory.rss, unshared = memory.unshared }
  end
  return seen
end

local function make_case(measure, case, budget)
  return {
    name = "rss." .. case.name, title = "idle, " .. case.title, figures = figures(budget),
    runners = Fleet.runners({
      members = case.members, company = case.company, settle = measure.quick and 0.5 or 10, look = look,
    }),
  }
end

local function with_links(measure)
  local env = { ERL_EPMD_PORT = Erlang.free_port(), BENCH_NODES = LINKS, HOME = measure.folder.path }
  local function job(ready, ...) return { command = { ... }, ready = ready, env = env } end
  local all = "linked " .. LINKS
  return {
    name = "links", title = ("%d Erlang links"):format(LINKS),
    company = { job("ready", measure.engine, "run", measure.scripts .. "/clients/nodes.lua", LINKS) },
    members = {
      idlers.bare(measure),
      { who = "peerage-lua", jobs = { job(all, measure.engine, measure.scripts .. "/configs/links.lua") } },
      {
        who = "elixir", needs = "elixir", note = "the nodes at the other end are all in one process",
        jobs = {
          job(all, "elixir", "--erl", "-start_epmd false", "--name", "elixir@127.0.0.1", "--cookie", "bench",
            measure.scripts .. "/peers/links.exs", LINKS),
        },
      },
    },
  }
end

---@param measure bench.Measure
---@return bench.Case[]
function M.cases(measure)
  local resolving, grouped = { idlers.bare(measure), unpack(idlers.resolving(measure)) }, { idlers.bare(measure) }
  local serf = idlers.serf(1, Erlang.free_port())
  serf.note = "an agent alone, which asks no DNS"
  resolving[#resolving + 1] = serf
  grouped[2] = idlers.grouped(measure, 1, Erlang.free_port())
  return {
    make_case(measure, { name = "dns", title = "dns", members = resolving }, { most = MOST }),
    make_case(measure, { name = "udp", title = "udp", members = grouped }),
    make_case(measure, with_links(measure)),
  }
end

return M
