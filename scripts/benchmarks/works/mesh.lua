-- SPDX-License-Identifier: MIT
--- Nodes that are all started at once, and find each other: the time from the last start until all have all the others,
--- what all of them used until then, and what memory one has. "links" is what engines use beyond as many that know each other
--- and link to nobody: without what they take to start, which would hide how the links grow.
local Crowd = require("benchmarks.crowd")
local eventually = require("support.eventually")
local ports = require("benchmarks.ports")
local tcp = require("engine.tcp")
local timer = require("engine.timer")

local M = {}

local HOST = "127.0.0.1"
local PATIENCE = 120 -- seconds until all have all
local MB = 2 ^ 20
local TITLES = { erlang = "Erlang mesh of %d", udp = "group of %d" }

local function says_full(_, line)
  local said = line:match("mesh: (.*full)")
  if said then return said == "full" end
end

-- Starts `count` by `start`, and measures them until all are full.
local function measure_mesh(crowd, count, start, judge)
  local members = {}
  for i = 1, count do members[i] = start(i) end
  local began = timer.now()
  crowd:await(members, judge, PATIENCE)
  return { time = timer.now() - began, cpu = crowd:spent(), memory = crowd:rss(members) }
end

local meshes = {} -- each measures `count` nodes

local function mesh_of_engines(measure, count, env)
  env.BENCH_NODES, env.HOME = count, measure.folder.path
  return Crowd.gather(measure, function(crowd)
    return measure_mesh(crowd, count, function(i)
      env.BENCH_NODE = i
      return crowd:start("n" .. i, { measure.engine, measure.scripts .. "/configs/mesh.lua" }, env)
    end, says_full)
  end)
end

function meshes.erlang(measure, count)
  local seen = mesh_of_engines(measure, count, { BENCH_KIND = "erlang", ERL_EPMD_PORT = ports.tcp(1)[1] })
  seen.links = seen.cpu - mesh_of_engines(measure, count, { BENCH_KIND = "unlinked" }).cpu
  return seen
end

function meshes.udp(measure, count)
  return mesh_of_engines(measure, count, { BENCH_KIND = "udp", BENCH_PORT = ports.udp() })
end

local function answers(port)
  local stream = tcp.connect({ host = HOST, port = port })
  if stream then stream:close() end
  return stream ~= nil
end

-- The EPMD is theirs, and so is what it uses.
function meshes.elixir(measure, count)
  local port = ports.tcp(1)[1]
  local env = { ERL_EPMD_PORT = port, HOME = measure.folder.path }
  return Crowd.gather(measure, function(crowd)
    crowd:start("epmd", { "epmd", "-port", port, "-address", HOST }, env)
    eventually(function() return answers(port) end)
    return measure_mesh(crowd, count, function(i)
      local name = ("n%d@%s"):format(i, HOST)
      return crowd:start(name, { "elixir", "--name", name, "--cookie", "bench", measure.scripts .. "/peers/mesh.exs", count }, env)
    end, says_full)
  end)
end

-- An agent says who joins and who goes, itself included. `known`: how many each agent knows.
local function knows(known, count)
  return function(agent, line)
    local event = line:match("EventMember(%a+): ")
    if not event or event == "Update" then return nil end
    known[agent] = (known[agent] or 0) + (event == "Join" and 1 or -1)
    return known[agent] >= count
  end
end

-- The first is there before the others join it.
function meshes.serf(measure, count)
  local free, known = ports.tcp(2 * count), {}
  local function address(i) return ("%s:%d"):format(HOST, free[i]) end
  return Crowd.gather(measure, function(crowd)
    return measure_mesh(crowd, count, function(i)
      local command = { "serf", "agent", "-node=n" .. i, "-bind=" .. address(i), "-rpc-addr=" .. address(count + i) }
      if i > 1 then command[#command + 1] = "-join=" .. address(1) end
      local agent = crowd:start("n" .. i, command)
      if i == 1 then crowd:await({ agent }, knows(known, 1), PATIENCE) end
      return agent
    end, knows(known, count))
  end)
end

local NOTES = {
  bare = "is not there: a program that finds others and links to them is no loop",
  node = "is not there: there is nothing for this that most of its users would pick",
  elixir = "is not run: 100 BEAM nodes had no full mesh after 165 s, and took 4.6 GB (measured once)",
}

local function make_case(measure, kind, nodes, most)
  local count, first = measure.quick and math.max(2, math.floor(nodes / 10)) or nodes, nodes == 10
  local function run(mesh)
    return function() return mesh(measure, count) end
  end
  local runners = { { who = "bare C", note = first and NOTES.bare or nil } }
  runners[2] = { who = "peerage-lua", run = run(meshes[kind]), rounds = 3 }
  runners[3] = { who = "node", note = first and NOTES.node or nil }
  if kind == "udp" then
    runners[4] = { who = "serf", needs = "serf", run = run(meshes.serf), rounds = 3 }
  elseif nodes < 100 then
    runners[4] = { who = "elixir", needs = "elixir", run = run(meshes.elixir), rounds = 2 }
  else
    runners[4] = { who = "elixir", note = NOTES.elixir }
  end
  return {
    name = ("mesh.%s.%d"):format(kind, nodes), title = TITLES[kind]:format(nodes), size = nodes, runners = runners,
    figures = {
      time = { unit = "s", budget = most and { most = most } }, cpu = { unit = "s" }, links = { unit = "s" },
      memory = { unit = "MB", scale = 1 / MB },
    },
  }
end

-- N nodes make N(N-1)/2 links: what each of them costs is constant if the power is at most 2.
M.growth = { figure = "links", cases = "^mesh%.erlang%.", of = "nodes in an Erlang mesh, links", most = 2 }

---@param measure bench.Measure
---@return bench.Case[]
function M.cases(measure)
  return {
    make_case(measure, "erlang", 10),
    make_case(measure, "erlang", 30, 2),
    make_case(measure, "erlang", 100, 20),
    make_case(measure, "udp", 10),
    make_case(measure, "udp", 30, 1),
    make_case(measure, "udp", 100),
  }
end

return M
