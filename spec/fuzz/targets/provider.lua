-- SPDX-License-Identifier: MIT
--- What poll() gives: whatever it is, a provider's answer is taken in, dropped or refused, and the registry is well.
local answer = require("peerage.answer")
local call = require("peerage.call")
local mutate = require("fuzz.mutate")
local node = require("peerage.node")
local registry = require("peerage.registry")
local scopes = require("engine.scope")
local timer = require("engine.timer")
local values = require("fuzz.lua_values")

local M = { waits = true }

local LIMIT = 5 -- seconds for poll()

function M.generate()
  local text = mutate.chance(70) and values.nodes() or values.value()
  return mutate.chance(30) and text .. ", " .. values.value() or text
end

local function check_problems(changes)
  assert(#changes.problems <= 10 and #changes.problems <= changes.problem_count, "more problems than are counted")
  for _, problem in ipairs(changes.problems) do
    assert(type(problem) == "string" and #problem < 1000, "an endless problem")
    assert(not problem:find("%c"), "a problem that is not printable")
  end
end

local function take(known, said)
  local changes = known:update(said.list, { source = "fuzz", now = timer.now(), complete = said.kind == "complete" })
  check_problems(changes)
  local count = 0
  for name, record in next, known.records do
    assert(node.is_name(name) and record.name == name and record.found, "a record that is none")
    assert(record.port == nil or record.port % 1 == 0, "a port that is none")
    count = count + 1
  end
  assert(count == known.found_count, "the count is wrong")
  return changes
end

function M.run(input)
  local scope = scopes.new("provider fuzz")
  local said, failure = answer.of_call(call.run(scope, LIMIT, function()
    local chunk = loadstring("return " .. input)
    if chunk then return chunk() end
  end))
  scope:close()
  if not said then
    assert(type(failure.message) == "string" and #failure.message < 100000, "no message, or an endless one")
    return
  end
  local known = registry.new()
  take(known, said)
  assert(not take(known, said).any or said.kind == "partial", "the same list changes something")
end

return M
