-- SPDX-License-Identifier: MIT
-- Hooks: in order, one at a time, on_change last and seldom; what they do ends nobody.
local Hearing = require("support.hearing")
local Hooks = require("peerage.hooks")
local eventually = require("support.eventually")
local hostile = require("support.hostile")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

describe("hooks", function()
  local scope, hearing, calls, hooks, settings

  local function record(name, wait)
    return function(node, reason)
      calls:push({ name, node.name, reason })
      if wait then task.sleep(wait) end
    end
  end

  before_each(function()
    scope, hearing, calls = scopes.new(), Hearing.start(), task.queue()
    settings = { timeout = 5 }
    hooks = Hooks.start(scope, settings, function() return { { name = "a@h" } } end)
  end)
  after_each(function()
    hearing:stop()
    scope:close()
  end)

  it("come in order, with node and reason", function()
    settings.on_up, settings.on_down = record("up"), record("down")
    for i = 1, 20 do
      hooks:tell("on_up", { name = "n" .. i })
      hooks:tell("on_down", { name = "n" .. i }, "gone")
    end
    for i = 1, 20 do
      assert.same({ "up", "n" .. i }, calls:pop())
      assert.same({ "down", "n" .. i, "gone" }, calls:pop())
    end
  end)

  it("that are too slow for what comes lose the oldest, which is said once", function()
    settings.on_up = record("up")
    for i = 1, 10002 do hooks:tell("on_up", { name = "n" .. i }) end
    for i = 3, 10002 do assert.equal("n" .. i, calls:pop()[2]) end
    hooks:tell("on_up", { name = "more" })
    assert.equal("more", calls:pop()[2])
    assert.equal(1, hearing:count("too slow"))
    assert.equal(2, hooks.dropped)
  end)

  it("hold no copy of a meta while they wait", function()
    local meta = { words = {} }
    for i = 1, 900 do meta.words[i] = i end
    settings.on_up = function() task.sleep(3600) end
    collectgarbage()
    local before = collectgarbage("count")
    for _ = 1, 1000 do hooks:tell("on_up", { name = "a@h", meta = meta }) end
    collectgarbage()
    assert(collectgarbage("count") - before < 1024, collectgarbage("count") - before)
  end)

  it("come one at a time, though they wait", function()
    local running, most = 0, 0
    settings.on_up = function(node)
      running = running + 1
      most = math.max(most, running)
      task.sleep(0.005)
      running = running - 1
      calls:push(node.name)
    end
    for i = 1, 5 do hooks:tell("on_up", { name = "n" .. i }) end
    for i = 1, 5 do assert.equal("n" .. i, calls:pop()) end
    assert.equal(1, most)
  end)

  it("get a node of their own, with port and meta", function()
    local node = { name = "a@h", port = 5, meta = { zone = { 1 } } }
    settings.on_up = function(given)
      given.meta.zone[1] = 2
      given.name = "changed"
      calls:push(given)
    end
    hooks:tell("on_up", node)
    assert.same({ name = "changed", port = 5, meta = { zone = { 2 } } }, calls:pop())
    assert.same({ name = "a@h", port = 5, meta = { zone = { 1 } } }, node)
  end)

  it("come before on_change, also those that come while it waits for its turn", function()
    settings.on_up = record("up", 0.01)
    settings.on_change = function(nodes) calls:push({ "change", nodes[1].name }) end
    hooks:changed()
    hooks:tell("on_up", { name = "one" })
    hooks:tell("on_up", { name = "two" })
    assert.same({ "up", "one" }, calls:pop())
    assert.same({ "up", "two" }, calls:pop())
    assert.same({ "change", "a@h" }, calls:pop())
    hooks:changed()
    task.sleep(0.01)
    hooks:tell("on_up", { name = "three" })
    assert.same({ "up", "three" }, calls:pop())
    assert.same({ "change", "a@h" }, calls:pop())
  end)

  it("tell of changes at most ten times a second, and of the last one", function()
    local value, told, started = 0, {}, timer.now()
    hooks.nodes = function() return value end
    settings.on_change = function(nodes) told[#told + 1] = nodes end
    while #told < 4 do
      value = value + 1
      hooks:changed()
      task.sleep(0.002)
    end
    eventually(function() return told[#told] == value end)
    assert(#told <= 10 * (timer.now() - started) + 2, #told)
    assert(value > 2 * #told, value)
  end)

  it("tell of changes less often when that takes long", function()
    local times = task.queue()
    settings.on_change = function()
      times:push(timer.now())
      local before = os.clock()
      repeat until os.clock() - before >= 0.1
    end
    hooks:changed()
    local first = times:pop()
    hooks:changed()
    local later = times:pop() - first
    assert(later >= 0.45, later)
  end)

  it("may all be missing, and may be swapped while it runs", function()
    hooks:tell("on_up", { name = "unheard" })
    hooks:changed()
    task.sleep(0.01)
    settings.on_up = record("new")
    hooks:tell("on_up", { name = "a@h" })
    assert.same({ "new", "a@h" }, calls:pop())
  end)

  it("that fail are logged, and the next one comes", function()
    settings.timeout = 0.5
    local what = { function() error("boom") end, function() error(hostile.table({})) end, function() task.sleep(3600) end }
    settings.on_up = function() table.remove(what, 1)() end
    settings.on_down = record("down")
    for _ = 1, 3 do hooks:tell("on_up", { name = "a@h" }) end
    hooks:tell("on_down", { name = "a@h" })
    assert.same({ "down", "a@h" }, calls:pop())
    local said = hearing:expect("on_up() failed: ")
    assert.equal("error", said.level)
    assert.is_truthy(said.message:find("hooks_spec.lua:%d+: boom"))
    assert.equal("string", type(said.fields.traceback))
    hearing:expect("on_up() failed: raised a table instead of a message")
    hearing:expect("on_up() failed: timed out after 0.5 s")
  end)

  it("have an account of their own with the cluster's limits, and are counted", function()
    settings.budget, settings.memory_limit = 0.5, 4 * 2 ^ 20
    local limited = Hooks.start(scope, settings, function() return {} end, "web: hook")
    settings.on_up = function() while true do end end
    settings.on_down = function()
      local nested = {}
      while true do nested = { nested } end
    end
    limited:tell("on_up", { name = "a@h" })
    limited:tell("on_down", { name = "a@h" })
    assert.is_truthy(hearing:expect("on_up() failed: ").message:find("web: hook held the engine for 0%.%d+ s: see budget$"))
    hearing:expect("on_down() failed: not enough memory: it holds")
    assert.same({ 1, 1 }, { limited.failures.counts.interrupted, limited.failures.counts.out_of_memory })
    assert(limited.account:stats().cpu >= 0.04)
  end)

  it("take with them what they spawned and opened", function()
    local ticks = 0
    settings.on_up = function()
      task.spawn(function() task.sleep(0.01) ticks = ticks + 1 end)
      timer.every(0.01, function() ticks = ticks + 1 end)
      calls:push(true)
    end
    hooks:tell("on_up", { name = "a@h" })
    calls:pop()
    task.sleep(0.05)
    assert.equal(0, ticks)
  end)

  it("that tell of more changes do not go round without end", function()
    local count, started = 0, timer.now()
    settings.on_change = function() count = count + 1 hooks:changed() end
    hooks:changed()
    eventually(function() return count >= 3 end)
    assert(count <= 10 * (timer.now() - started) + 2, count)
  end)
end)
