-- SPDX-License-Identifier: MIT
--- An announcement, from the socket into the set of who is known: what a process used beyond its start, shared out among
--- the datagrams that it got. A sender waits while the receiver's queue is long, so that next to nothing is dropped. The
--- bare loop is quicker than that sender: it sleeps more often, and gets fewer at a time than the others.
local announcement = require("peerage.announcement")
local ports = require("benchmarks.ports")
local report = require("benchmarks.report")
local timer = require("engine.timer")

local M = {}

local GROUP = "230.1.1.1"
local SECRET = "a secret for the bench"
local PLAIN, SIGNED, SLOW = 2000000, 200000, 100000 -- datagrams; each signed one has a stamp of its own
local FIRST = 1000 -- datagrams of the run that shows what a start takes
local PATIENCE = 60 -- seconds until what was heard is also found
local NEVER = 3600 * 1000 -- milliseconds
local TITLE = { plain = "announcements, %s names", signed = "signed, %s names" }

local function name_of(i) return ("app%d@10.%d.%d.%d"):format(i, math.floor(i / 65536), math.floor(i / 256) % 256, i % 256) end

local function to_hex(data) return (data:gsub(".", function(one) return ("%02x"):format(one:byte()) end)) end

local function datagram(case, context, i, now)
  local number = i % case.names
  if i > case.count then number = case.names end -- of one more name than there is room for
  local name = name_of(number)
  if case.kind == "plain" then return to_hex(announcement.write_plain(name)) end
  local said = { type = "announce", instance = ("%08d"):format(number), stamp = now + i, name = name }
  return to_hex(announcement.write_signed(said, SECRET, context))
end

-- Files for bench-send: plain ones are sent again and again, a signed one counts once; and one with one more name.
local function write_datagrams(measure, case, port)
  local lines, now, context = {}, timer.wall_clock(), announcement.context(GROUP, port)
  for i = 1, case.kind == "plain" and case.names or case.count do lines[i] = datagram(case, context, i, now) end
  return measure.folder:write("datagrams", table.concat(lines, "\n") .. "\n"),
    measure.folder:write("excess", datagram(case, context, case.count + 1, now) .. "\n")
end

-- Sends, and returns how many came through.
local function send(measure, port, count, file, is_single)
  local command = { measure.tools .. "/bench-send", GROUP, port, count, file }
  if is_single then table.insert(command, 2, "--single") end
  local _, lines = measure:run(command)
  local sent, dropped = lines[1]:match("^(%d+) (%d+)$")
  return sent - dropped
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

-- Sends to one that listens. That the engine knows all names shows when it has no room for one more.
local function serve(measure, case, who, options)
  local port, is_engine = ports.udp(), who == "peerage-lua"
  local file, excess = write_datagrams(measure, case, port)
  return measure:serve(commands(measure, port)[who], function(lines)
    local received = send(measure, port, case.count, file, options.count and not is_engine)
    if case.count >= case.names then send(measure, port, 1, excess) end
    if is_engine and case.count >= case.names then measure.await(lines, "max_nodes", PATIENCE) end
    return received
  end, {
    count = options.count, env = {
      BENCH_PORT = port, BENCH_ROOM = case.names, BENCH_SECRET = case.kind == "signed" and SECRET or false,
      BENCH_SYNC_OFFSET = options.sync_offset,
    },
  })
end

--- CPU of one datagram.
---@param measure bench.Measure
---@param case { kind: "plain"|"signed", names: integer, count: integer }
---@param who "peerage-lua"|"bare C"|"node"|"elixir"
---@return number seconds
function M.cost(measure, case, who)
  local first = { kind = case.kind, names = case.names, count = math.min(FIRST, case.names - 1, math.floor(case.count / 2)) }
  local start, received_first = serve(measure, first, who, { sync_offset = 0 })
  local used, received = serve(measure, case, who, { sync_offset = 0 })
  return (used.cpu - start.cpu) / (received - received_first)
end

-- Instructions of a whole run. How often the engine polls while it hears of new names, and how many datagrams the bare loop
-- gets at a time, is chance: the former polls never, the latter gets one at a time.
local function count_run(measure, case, who)
  local used, received = serve(measure, case, who, { sync_offset = NEVER, count = true })
  if received < case.count then error(("%d of %d datagrams were lost"):format(case.count - received, case.count), 0) end
  return used.instructions
end

--- Instructions of one datagram of a name that is known: the slope between two runs.
---@param measure bench.Measure
---@param case { kind: "plain"|"signed", names: integer, few: integer, many: integer } datagrams; `few` have all names
---@param who "peerage-lua"|"bare C"
---@return number instructions
function M.count(measure, case, who)
  local function total(count) return count_run(measure, { kind = case.kind, names = case.names, count = count }, who) end
  local few = total(case.few)
  return (total(case.many) - few) / (case.many - case.few)
end

local function make_case(measure, kind, names, budget)
  local measured = {
    kind = kind, names = measure:scaled(names), count = measure:scaled(kind == "plain" and PLAIN or SIGNED),
  }
  local runners = {}
  local function add(who, runner, case)
    runner.who, runner.run = who, function() return { cpu = M.cost(measure, case or measured, who) } end
    runners[#runners + 1] = runner
  end
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
