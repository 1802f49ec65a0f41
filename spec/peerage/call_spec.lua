-- SPDX-License-Identifier: MIT
-- Calls of what is not the engine's: whatever it does, the caller gets an answer in time.
local call = require("peerage.call")
local eventually = require("support.eventually")
local hostile = require("support.hostile")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

describe("a call", function()
  local scope

  before_each(function() scope = scopes.new("provider x") end)
  after_each(function() scope:close() end)

  local function failure(fn, seconds)
    local ok, found = call.run(scope, seconds or 5, fn)
    assert.is_false(ok)
    return found
  end

  it("gives arguments and results, nil among them", function()
    assert.same({ n = 4, true, nil, 2, nil },
      (function(...) return { n = select("#", ...), ... } end)(call.run(scope, 1, function(...) return ... end, nil, 2, nil)))
  end)

  it("answers with what was raised, and where", function()
    local found = failure(function() error("boom") end)
    assert.equal("raised", found.reason)
    assert.is_truthy(found.message:find("call_spec.lua:%d+: boom$"))
    assert.is_truthy(found.traceback:find("call_spec.lua", 1, true))
  end)

  it("tells a limit that did not suffice from other errors, and says which setting that is", function()
    for text, reason in pairs({
      ["provider x held the engine for 1.0 s"] = "interrupted", ["x.lua:3: not enough memory"] = "out_of_memory",
    }) do
      local found = failure(function() error(text, 0) end)
      local setting = reason == "interrupted" and "budget" or "memory_limit"
      assert.same({ reason, text .. ": see " .. setting, "string" }, { found.reason, found.message, type(found.traceback) })
    end
  end)

  it("answers whatever is raised, without a metamethod", function()
    assert.equal("raised nothing instead of a message", failure(function() error(nil) end).message)
    assert.equal("raised nothing instead of a message", failure(function() error() end).message)
    assert.equal("raised a table instead of a message", failure(function() error(hostile.table({})) end).message)
    assert.equal("raised a boolean (false) instead of a message", failure(function() error(false) end).message)
    assert.equal("4", failure(function() error(4, 0) end).message)
    assert.equal("raised a function instead of a message", failure(function() error(print) end).message)
    assert.equal("stack overflow", failure(function() local function f() return 1 + f() end return f() end).message:match("stack overflow"))
  end)

  it("answers when coroutine.yield is called outside a coroutine of its own", function()
    assert.is_truthy(failure(function() coroutine.yield(1) end).message:find("coroutine.yield", 1, true))
  end)

  it("answers when thousands of results come", function()
    local results = {}
    for i = 1, 7900 do results[i] = i end
    local ok = call.run(scope, 5, function() return unpack(results, 1, 7900) end)
    assert.equal("boolean", type(ok))
  end)

  it("ends one that waits for ever", function()
    local started = timer.now()
    local found = failure(function() task.queue():pop() end, 0.05)
    assert.same({ reason = "timeout", message = "timed out after 0.05 s" }, found)
    assert(timer.now() - started < 20)
  end)

  it("ends one that sleeps on after each protected call", function()
    local found = failure(function()
      while true do pcall(task.sleep, 0.001) end
    end, 0.05)
    assert.equal("timeout", found.reason)
  end)

  it("has no end of its own without a time", function()
    local ok, found = call.run(scope, nil, function() task.sleep(0.01) return "done" end)
    assert.same({ true, "done" }, { ok, found })
  end)

  it("leaves to an operation in it nine tenths of what is left", function()
    local left = select(2, call.run(scope, 1000, function() return scopes.timeout(1e5) end))
    assert(left > 850 and left <= 900, left)
  end)

  it("ends what it opened and spawned", function()
    local ticks, ended, gate = 0, false, task.queue()
    local ok = call.run(scope, 10, function()
      timer.every(0.001, function() ticks = ticks + 1 end)
      task.spawn(function() gate:pop() ended = true end)
      task.sleep(0.01)
    end)
    assert.is_true(ok)
    local before = ticks
    gate:push(true)
    task.sleep(0.05)
    assert.same({ before, false }, { ticks, ended })
  end)

  it("leaves alone what its owner's scope runs", function()
    local result
    call.run(scope, 10, function()
      scope:run(function() task.spawn(function() task.sleep(0.01) result = "outlived" end) end)
    end)
    eventually(function() return result == "outlived" end)
  end)

  it("is over when its scope is closed, from inside or outside", function()
    assert.equal("closed", failure(function() scope:close() task.sleep(5) end).reason)
    assert.equal("closed", failure(function() error("never runs") end).reason)
    scope = scopes.new()
    local it = scope
    timer.after(0.01, function() it:close() end)
    assert.equal("closed", failure(function() task.sleep(5) end).reason)
  end)

  it("is over with its caller", function()
    local went_on = false
    local caller = task.spawn(function()
      call.run(scope, 0.05, function() task.sleep(0.1) went_on = true end)
    end)
    task.sleep(0.01)
    caller:cancel()
    scope:close()
    task.sleep(0.15)
    assert.is_false(went_on)
  end)
end)
