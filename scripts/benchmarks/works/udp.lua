-- SPDX-License-Identifier: MIT
--- An announcement, from the socket into the set of who is known. A sender keeps the receiver's queue full and never
--- overfull; what a process used in all is shared out among the datagrams that it got.
local announcement = require("peerage.announcement")
local report = require("benchmarks.report")
local task = require("engine.task")
local timer = require("engine.timer")
local udp = require("engine.udp")

local M = {}

local GROUP = "230.1.1.1"
local SECRET = "a secret for the bench"
local PLAIN, SIGNED, SLOW = 2000000, 200000, 100000 -- datagrams; each signed one has a stamp of its own
local PATIENCE = 60 -- seconds until what was heard is also found
local TITLE = { plain = "announcements, %s names", signed = "signed, %s names" }

local function free_port()
  local socket = assert(udp.open({ port = 0 }))
  local _, port = socket:address()
  socket:close()
  return port
end

local function name_of(i) return ("app%d@10.%d.%d.%d"):format(i, math.floor(i / 65536), math.floor(i / 256) % 256, i % 256) end

local function to_hex(data) return (data:gsub(".", function(one) return ("%02x"):format(one:byte()) end)) end

-- A file for bench-send: plain ones are sent again and again, a signed one counts once.
local function write_datagrams(measure, case, port)
  local lines, now, context = {}, timer.wall_clock(), announcement.context(GROUP, port)
  for i = 1, case.kind == "plain" and case.names or case.count do
    local said = { type = "announce", instance = ("%08d"):format(i % case.names), stamp = now + i, name = name_of(i % case.names) }
    lines[i] = to_hex(case.kind == "plain" and announcement.write_plain(said.name)
      or announcement.write_signed(said, SECRET, context))
  end
  return measure.folder:write("datagrams", table.concat(lines, "\n") .. "\n")
end

-- Sends, and returns how many came through.
local function send(measure, port, count, file)
  local _, lines = measure:run({ measure.tools .. "/bench-send", GROUP, port, count, file })
  local sent, dropped = lines[1]:match("^(%d+) (%d+)$")
  return sent - dropped
end

local function await(lines, wanted)
  local line = task.timeout(PATIENCE, function()
    for line in lines.pop, lines do
      if line:find(wanted, 1, true) then return line end
    end
  end)
  if not line then error(("the engine did not say %q in %d s"):format(wanted, PATIENCE), 0) end
end

local function commands(measure, port)
  local peers = measure.scripts .. "/peers/udp"
  return {
    ["peerage-lua"] = { measure.engine, measure.scripts .. "/configs/udp.lua" },
    ["bare C"] = { measure.tools .. "/bench-udp", GROUP, port },
    node = { "node", peers .. ".mjs", GROUP, port },
    elixir = { "elixir", peers .. ".exs", GROUP, port },
  }
end

local function environment(case, port, verify)
  return {
    BENCH_PORT = port, BENCH_NAMES = case.names, BENCH_SECRET = case.kind == "signed" and SECRET or false,
    BENCH_VERIFY = verify and "1" or false,
  }
end

-- Raises unless the engine comes to know all names.
local function verify(measure, case)
  local port, once = free_port(), { kind = case.kind, names = case.names, count = case.names }
  measure:serve(commands(measure, port)["peerage-lua"], function(lines)
    send(measure, port, once.count, write_datagrams(measure, once, port))
    await(lines, ("known %d"):format(case.names))
  end, { env = environment(case, port, true) })
end

--- Cost of one datagram.
---@param measure bench.Measure
---@param case { kind: "plain"|"signed", names: integer, count: integer }
---@param who "peerage-lua"|"bare C"|"node"|"elixir"
---@param what "cpu"|"instructions"
---@return number cost seconds of CPU, or instructions
function M.cost(measure, case, who, what)
  local port = free_port()
  local file = write_datagrams(measure, case, port)
  local used, received = measure:serve(commands(measure, port)[who], function()
    return send(measure, port, case.count, file)
  end, { count = what == "instructions", env = environment(case, port) })
  return used[what] / received
end

local function make_case(measure, kind, names, budget)
  local measured = {
    kind = kind, names = measure:scaled(names), count = measure:scaled(kind == "plain" and PLAIN or SIGNED),
  }
  local runners = {}
  local function add(who, runner, case)
    runner.who, runner.run = who, function() return { cpu = M.cost(measure, case or measured, who, "cpu") } end
    runners[#runners + 1] = runner
  end
  verify(measure, measured)
  add("bare C", {})
  add("peerage-lua", {})
  if kind == "plain" then
    add("node", { needs = "node" })
    local few = { kind = kind, names = measured.names, count = measure:scaled(math.max(SLOW, names)) }
    add("elixir", { needs = "elixir", rounds = 2, note = ("as Peerage.Via.Udp does it, %d datagrams"):format(few.count) }, few)
  else
    runners[#runners + 1] = { who = "node", note = "there is no peer that signs; the bare loop verifies nothing" }
  end
  return {
    name = ("udp.%s%d"):format(kind == "signed" and "signed." or "", names), title = TITLE[kind]:format(report.number(names)),
    size = names, figures = { cpu = { unit = "ns", scale = 1e9, budget = budget } }, runners = runners,
  }
end

M.growth = { figure = "cpu", cases = "^udp%.%d", of = "names", most = 0.2 }

---@param measure bench.Measure
---@return bench.Case[]
function M.cases(measure)
  return {
    make_case(measure, "plain", 1000, { ratio = 1.4 }),
    make_case(measure, "plain", 100000, { ratio = 2.2 }),
    make_case(measure, "signed", 1000),
  }
end

return M
