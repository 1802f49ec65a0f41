-- SPDX-License-Identifier: MIT
--- Look-ups of addresses at a real server, some of them in flight at a time: CPU of the client for each, from the
--- difference between many and few, so that starting is not counted. The server's CPU is not.
local DnsDaemon = require("support.dns_daemon")
local report = require("benchmarks.report")

local M = {}

local DOMAIN, NAMES = "bench.test", 5000 -- of which 1,000 are asked for in turn; all where none is to be known from before
local FEW = 10 -- of as many look-ups one is in the run that is subtracted
local CROWD = 250 -- in flight at a server: its socket holds 277 questions by net.core.rmem_default, and drops more

M.needs = "knotd"

local servers = {}

local function zone()
  local lines = { "ns A 127.0.0.1" }
  for i = 0, NAMES - 1 do lines[#lines + 1] = ("name%d A 10.0.%d.%d"):format(i, math.floor(i / 250), 1 + i % 250) end
  return table.concat(lines, "\n")
end

local function commands(measure)
  local peers = measure.scripts .. "/peers/dns"
  return {
    ["bare C"] = { measure.tools .. "/bench-dns" },
    ["peerage-lua"] = { measure.engine, "run", measure.scripts .. "/clients/dns.lua" },
    node = { "node", peers .. ".mjs" },
    elixir = { "elixir", peers .. ".exs" },
  }
end

local function start(count)
  for i = #servers + 1, count do servers[i] = DnsDaemon.knot(DOMAIN, zone()) end
end

-- CPU seconds or instructions of one look-up.
local function cost(measure, who, count, case, what)
  return measure:slope(function(many)
    local command = commands(measure)[who]
    for _, argument in ipairs({ DOMAIN, many, case.in_flight / case.servers }) do command[#command + 1] = argument end
    for i = 1, case.servers do command[#command + 1] = servers[i].address end
    return command, { count = what == "instructions", env = { BENCH_NAMES = case.names or false } }
  end, math.ceil(count / FEW), count, what)
end

--- Instructions of one look-up, 100 in flight.
---@param measure bench.Measure
---@param count integer look-ups
---@param who "peerage-lua"|"bare C"
---@return number instructions
function M.count(measure, count, who)
  start(1)
  return cost(measure, who, count, { in_flight = 100, servers = 1 }, "instructions")
end

local function make_case(measure, case, budget)
  local runners = {}
  local function add(who, runner, share)
    runner.who, runner.run = who, function() return { cpu = cost(measure, who, measure:scaled(case.count * (share or 1)), case, "cpu") } end
    runners[#runners + 1] = runner
  end
  add("bare C", {})
  add("peerage-lua", { note = case.note })
  if not case.names then
    add("node", { needs = "node", rounds = 3, note = case.peers_note }, 1 / 4)
    add("elixir", { needs = "elixir", rounds = 2, note = case.elixir_note }, 1 / 4)
  end
  return {
    name = "dns." .. (case.names and "new." or "") .. case.in_flight,
    title = ("%s look-ups, %s in flight%s"):format(report.number(case.count), case.name, case.names and ", new names" or ""),
    figures = { cpu = { unit = "us", scale = 1e6, budget = budget } }, runners = runners,
  }
end

---@param measure bench.Measure
---@return bench.Case[]
function M.cases(measure)
  start(1000 / CROWD)
  return {
    make_case(measure, {
      count = 50000, in_flight = 1, name = "1", servers = 1,
      peers_note = "here and below a quarter as many",
      elixir_note = "here and below a quarter as many, and a socket for each, as inet_res has it",
    }),
    make_case(measure, {
      count = 200000, in_flight = 100, name = "100", servers = 1,
      note = "1,000 names in turn; what the text of a name says it remembers of 1,024",
    }, { ratio = 2.2 }),
    make_case(measure, {
      count = 200000, in_flight = 100, name = "100", servers = 1, names = NAMES,
      note = "5,000 names in turn, so that it remembers none; to the others that makes no difference",
    }),
    make_case(measure, {
      count = 200000, in_flight = 1000, name = "1,000", servers = #servers,
      note = ("at %d servers, a channel to each: one alone drops what comes at once beyond 277"):format(#servers),
    }),
  }
end

--- Ends the servers.
function M.stop()
  while servers[1] do table.remove(servers):stop() end
end

return M
