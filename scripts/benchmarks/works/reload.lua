-- SPDX-License-Identifier: MIT
--- From the save of a provider's file to the first poll of its new version, as the clock on the wall has it.
local Measure = require("benchmarks.measure")
local fs = require("engine.fs")
local process = require("engine.process")
local statistics = require("benchmarks.statistics")
local timer = require("engine.timer")

local M = {}

local SAVES = 20 -- a round, of which the median counts
local PATIENCE = 10 -- seconds for a version to come

local LUA = [[
local M = {}
local log, said = require("engine.log"), false
function M.poll()
  if not said then log.warn("version %d") end
  said = true
  return { "node@somewhere" }
end
return M
]]

local JAVASCRIPT = [[
export function poll() {
  console.log("version %d");
  return ["node@somewhere"];
}
]]

local PEERS = {
  ["peerage-lua"] = { file = "homies.lua", source = LUA },
  node = { file = "homies.mjs", source = JAVASCRIPT },
}

-- Waits for the first poll of a version.
local function await(lines, version) return Measure.await(lines, ("version %d"):format(version), PATIENCE) end

-- The new version is written elsewhere, so that nothing of that is seen or timed, and takes the place of the old one.
local function save(paths, source, version)
  assert(fs.write(paths.draft, source:format(version)))
  local at = timer.now()
  assert(os.rename(paths.draft, paths.provider))
  return at
end

-- One save before those that count: what is loaded late is loaded, and the watch stands.
local function drive(paths, source, saves, lines)
  await(lines, 0)
  save(paths, source, 1)
  await(lines, 1)
  local times = {}
  for i = 1, saves do
    local saved = save(paths, source, i + 1)
    times[i] = await(lines, i + 1) - saved
  end
  return statistics.median(times)
end

local function commands(measure, provider)
  return {
    ["peerage-lua"] = { measure.engine, measure.scripts .. "/configs/reload.lua" },
    node = { "node", measure.scripts .. "/peers/reload.mjs", provider },
  }
end

local function run(measure, who)
  local peer, folder = PEERS[who], measure.folder.path
  local paths = { provider = folder .. "/reload/" .. peer.file, draft = folder .. "/" .. peer.file }
  assert(assert(process.run({ "mkdir", "-p", folder .. "/reload" })).code == 0)
  save(paths, peer.source, 0)
  local _, took = measure:serve(commands(measure, paths.provider)[who], function(lines)
    return drive(paths, peer.source, measure.quick and 2 or SAVES, lines)
  end, { env = { BENCH_PROVIDER = paths.provider } })
  return { wall = took }
end

---@param measure bench.Measure
---@return bench.Case[]
function M.cases(measure)
  return {
    {
      name = "reload", title = "from save to first poll", figures = { wall = { unit = "ms", scale = 1e3 } },
      runners = {
        { who = "bare C", note = "a program in C is built and started anew: there is nothing to compare" },
        {
          who = "peerage-lua", note = "waits 200 ms for more to be saved, and acts once",
          run = function() return run(measure, "peerage-lua") end,
        },
        {
          who = "node", needs = "node",
          note = "acts at the first event, and keeps each version in memory: an import is never undone",
          run = function() return run(measure, "node") end,
        },
        {
          who = "elixir",
          note = "has nothing that watches files but packages (file_system); a loop that looks once a second takes half of one",
        },
      },
    },
  }
end

return M
