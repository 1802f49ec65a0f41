-- SPDX-License-Identifier: MIT
--- A poll: the provider makes its list anew, the registry finds out what is new in it. Runs of few and of many polls are
--- compared, so that neither the start nor the first poll, to which all is new, is counted.
local report = require("benchmarks.report")

local M = {}

local FEW = 2 -- polls
local NODES = { ["bare C"] = 2e6, ["peerage-lua"] = 1e6, node = 5e5, elixir = 5e5 } -- in all polls beyond these
local LEAST, MOST = 2, 20 -- polls beyond; of the engine, which waits between two
local PATIENCE = 120 -- seconds until the nodes are known
local BUDGET = 20 -- milliseconds, for 100,000 unchanged nodes
local LARGE, FEW_ROUNDS = 1000000, 2 -- nodes, of which polls take seconds
local NOTE = '"list" is what the provider itself takes to make its list, "rest" what is left for the engine'

---@class bench.Poll
---@field nodes integer in the list
---@field changed integer of them, others at each poll
---@field kind "table"|"string"|"kept" entry of the list, as configs/poll/nodes.lua makes it

local function environment(poll, polls, is_to_tell)
  return {
    BENCH_NODES = poll.nodes, BENCH_POLLS = polls, BENCH_CHANGED = poll.changed, BENCH_KIND = poll.kind,
    BENCH_TELL = is_to_tell and 1 or false,
  }
end

local function engine_command(measure) return { measure.engine, measure.scripts .. "/configs/poll.lua" } end

-- The command that polls so often, and with which options.
local function command(measure, poll, who, polls, counts)
  local programs = {
    ["peerage-lua"] = engine_command(measure),
    ["list"] = { measure.engine, "run", measure.scripts .. "/clients/list.lua" },
    ["bare C"] = { measure.tools .. "/bench-poll" },
    node = { "node", measure.scripts .. "/peers/poll.mjs" },
    elixir = { "elixir", measure.scripts .. "/peers/poll.exs" },
  }
  local words = programs[who]
  if who == "peerage-lua" then
    return words, { until_output = true, env = environment(poll, polls), count = counts }
  end
  for _, word in ipairs({ poll.nodes, polls, poll.changed, who == "list" and poll.kind or nil }) do words[#words + 1] = word end
  return words, { count = counts }
end

-- What a run used. The engine is ended by what it says first, which must be that it has polled enough.
local function used(measure, poll, who, polls, what)
  local usage, lines = measure:run(command(measure, poll, who, polls, what == "instructions"))
  if who == "peerage-lua" and not (lines[1] or ""):find("done", 1, true) then
    error(("expected the engine to say \"done\", found %q"):format(lines[1] or ""), 0)
  end
  return usage[what]
end

--- Cost of one poll. All but the engine see for themselves that they know the nodes; of the engine `verify` does.
---@param measure bench.Measure
---@param poll bench.Poll
---@param who "peerage-lua"|"list"|"bare C"|"node"|"elixir" "list": only to make the list, in Lua
---@param more integer polls that are compared
---@param what "cpu"|"instructions"
---@return number cost seconds of CPU, or instructions
function M.cost(measure, poll, who, more, what)
  local few = measure.quick and 1 or FEW
  local base = used(measure, poll, who, few, what)
  return (used(measure, poll, who, few + more, what) - base) / more
end

--- Raises unless the engine knows just the nodes of the last poll. It is not what is measured: its on_change costs more.
---@param measure bench.Measure
---@param poll bench.Poll
function M.verify(measure, poll)
  local wanted = ("known %d from %d"):format(poll.nodes, (FEW - 1) * poll.changed + 1)
  measure:serve(engine_command(measure), function(lines) measure.await(lines, wanted, PATIENCE) end,
    { env = environment(poll, FEW, true) })
end

local function polls_of(measure, poll, who)
  if measure.quick then return 1 end
  return math.max(LEAST, math.min(math.floor(NODES[who] / poll.nodes), who == "peerage-lua" and MOST or math.huge))
end

-- Of many nodes so few polls are compared that a collection of garbage more or less hides what is left for the engine.
local function engine_costs(measure, poll)
  local more = polls_of(measure, poll, "peerage-lua")
  local whole = M.cost(measure, poll, "peerage-lua", more, "cpu")
  if poll.nodes >= LARGE then return { whole = whole } end
  local list = M.cost(measure, poll, "list", more, "cpu")
  return { whole = whole, list = list, rest = whole - list }
end

local function engine_runner(measure, poll)
  local is_verified = false
  return {
    who = "peerage-lua",
    run = function()
      if not is_verified then M.verify(measure, poll) end
      is_verified = true
      return engine_costs(measure, poll)
    end,
  }
end

-- A round of many nodes takes long.
local function make_runners(measure, poll, peers, is_large)
  local runners, rounds = {}, is_large and FEW_ROUNDS or nil
  local function add(who, needs, most)
    runners[#runners + 1] = {
      who = who, needs = needs, rounds = most,
      run = function() return { whole = M.cost(measure, poll, who, polls_of(measure, poll, who), "cpu") } end,
    }
  end
  add("bare C", nil, rounds)
  runners[2] = engine_runner(measure, poll)
  runners[2].rounds = rounds
  for _, who in ipairs(peers) do add(who, who, is_large and 1 or FEW_ROUNDS) end
  return runners
end

local TITLES = { unchanged = "%s nodes", changed = "%s nodes, 1 %% new", strings = "%s names" }

local function make_case(measure, nodes, variant, peers, budget)
  local count = measure:scaled(nodes)
  local poll = {
    nodes = count, changed = variant == "changed" and math.ceil(count / 100) or 0, kind = variant == "strings" and "string" or "table",
  }
  local milliseconds = { unit = "ms", scale = 1e3 }
  return {
    name = ("poll.%s%d"):format(variant == "unchanged" and "" or variant .. ".", nodes),
    title = TITLES[variant]:format(report.number(nodes)), size = nodes,
    runners = make_runners(measure, poll, peers, nodes == LARGE),
    figures = { whole = { unit = "ms", scale = 1e3, budget = budget }, list = milliseconds, rest = milliseconds },
  }
end

-- A list of ten times as many nodes takes ten times as long; a little more where it outgrows the caches.
M.growth = { figure = "whole", cases = "^poll%.%d", of = "nodes", most = 1.15 }

---@param measure bench.Measure
---@return bench.Case[]
function M.cases(measure)
  local peers = { "node", "elixir" }
  local cases = {
    make_case(measure, 1000, "unchanged", { "node" }),
    make_case(measure, 10000, "unchanged", { "node" }),
    make_case(measure, 100000, "unchanged", peers, { most = BUDGET }),
    make_case(measure, LARGE, "unchanged", { "node" }),
    make_case(measure, 100000, "changed", peers),
    make_case(measure, 100000, "strings", {}),
  }
  cases[1].runners[2].note = NOTE
  return cases
end

return M
