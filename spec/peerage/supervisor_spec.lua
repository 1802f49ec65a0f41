-- SPDX-License-Identifier: MIT
-- serve() that does not serve: restarted, ever later, never in a hot loop.
local Hearing = require("support.hearing")
local hostile = require("support.hostile")
local log = require("engine.log")
local scopes = require("engine.scope")
local supervisor = require("peerage.supervisor")
local task = require("engine.task")
local timer = require("engine.timer")

describe("the supervisor", function()
  local owner, scope, hearing, ends

  before_each(function()
    owner = scopes.new("provider x")
    scope = owner:child()
    hearing = Hearing.start()
    ends = task.queue()
  end)
  after_each(function()
    hearing:stop()
    owner:close()
  end)

  local function supervise(serve, delays, ...)
    return owner:spawn(supervisor.run, scope, serve, { delays = delays, on_end = function(failure) ends:push(failure) end }, ...)
  end

  local QUICK = { first = 0.001, max = 0.001 }

  it("starts one again that returns, a hundred times, and says what is wrong", function()
    local runs = 0
    supervise(function() runs = runs + 1 end, QUICK)
    for _ = 1, 100 do
      assert.equal("serve() returned: it must run as long as it serves", ends:pop().message)
    end
    assert(runs == 100 or runs == 101)
    local said = hearing:expect("serve() returned: it must run as long as it serves")
    assert.same({ "error", "provider x" }, { said.level, said.source })
  end)

  it("starts one again that says why it ended, which is a warning, and no error of its own", function()
    supervise(function() return nil, "the watch was closed" end, QUICK)
    for _ = 1, 2 do assert.same({ reason = "ended", message = "the watch was closed" }, ends:pop()) end
    local said = hearing:expect("serve() ended: the watch was closed")
    assert.same({ "warn", "provider x" }, { said.level, said.source })
    assert.is_nil(said.fields)
  end)

  it("says that at debug only where it is known already", function()
    local supervising = owner:spawn(supervisor.run, scope, function() return nil, "gone" end,
      { delays = QUICK, is_known = function(failure) return failure.message == "gone" end, on_end = function() return true end })
    local level = log.level()
    log.level("debug")
    supervising:join()
    log.level(level)
    assert.equal("debug", hearing:expect("serve() ended: gone").level)
  end)

  it("starts one again that raises, whatever it raises", function()
    local what = { "boom", hostile.table({}), false }
    supervise(function() error(table.remove(what, 1), 0) end, QUICK)
    assert.equal("boom", ends:pop().message)
    assert.equal("raised a table instead of a message", ends:pop().message)
    assert.equal("raised a boolean (false) instead of a message", ends:pop().message)
    assert.equal("raised nothing instead of a message", ends:pop().message)
    local said = hearing:expect("serve() failed: boom")
    assert.equal("string", type(said.fields.traceback))
  end)

  it("does not start one again that says by false that there is nothing to serve", function()
    local runs, level = 0, log.level()
    finally(function() log.level(level) end)
    log.level("debug")
    local supervising = supervise(function() runs = runs + 1 return false end, QUICK)
    assert.is_true(task.timeout(5, supervising.join, supervising))
    assert.equal("debug", hearing:expect("serve() has nothing to serve").level)
    assert.same({ 1, 1, 0 }, { runs, #hearing.said, ends:count() })
  end)

  it("starts one again that returns false with a message, as pcall does", function()
    local what = { "lost the connection", hostile.table({}) }
    supervise(function() return pcall(error, table.remove(what, 1) or "again", 0) end, QUICK)
    for _, message in ipairs({ "lost the connection", "raised a table instead of a message", "again" }) do
      assert.same({ reason = "ended", message = message }, (task.timeout(5, ends.pop, ends)))
    end
    assert.equal("warn", hearing:expect("serve() ended: lost the connection").level)
  end)

  it("waits longer after each", function()
    local starts = {}
    supervise(function() starts[#starts + 1] = timer.now() end, { first = 0.02, max = 0.08 })
    for _ = 1, 5 do ends:pop() end
    for i, least in ipairs({ 0.016, 0.032, 0.064, 0.064 }) do
      local waited = starts[i + 1] - starts[i]
      assert(waited >= least, ("%d: %g s"):format(i, waited))
    end
  end)

  it("waits about a second the first time, unless told otherwise", function()
    local starts = {}
    supervise(function() starts[#starts + 1] = timer.now() end)
    for _ = 1, 2 do assert.is_truthy((task.timeout(20, ends.pop, ends))) end
    local waited = starts[2] - starts[1]
    assert(waited > 0.5 and waited < 3, waited)
  end)

  it("starts it no more when it is told that this is over", function()
    local runs = 0
    local supervising = owner:spawn(supervisor.run, scope, function() runs = runs + 1 end,
      { delays = QUICK, on_end = function() return runs == 3 end })
    assert.is_true((supervising:join()))
    assert.equal(3, runs)
  end)

  it("has closed all that a run opened before it starts the next", function()
    local before, most = scopes.handles(), 0
    supervise(function()
      most = math.max(most, scopes.handles() - before)
      for _ = 1, 10 do timer.after(3600, function() end) end
    end, QUICK)
    for _ = 1, 5 do ends:pop() end
    assert(most < 5, most)
  end)

  it("hands arguments over and ends with the scope", function()
    local got = task.queue()
    local supervising = supervise(function(...)
      got:push({ ... })
      task.sleep(3600)
    end, QUICK, "self", 2)
    assert.same({ "self", 2 }, got:pop())
    scope:close()
    assert.is_true((supervising:join()))
    assert.equal(0, ends:count())
  end)

  it("keeps what is the engine's own alive, and lets it end", function()
    local runs, delays = 0, supervisor.DELAYS
    supervisor.DELAYS = QUICK
    local kept = supervisor.keep(owner, "the poll loop", function(limit)
      runs = runs + 1
      if runs < limit then error("boom", 0) end
    end, 3)
    kept:join()
    supervisor.DELAYS = delays
    assert.equal(3, runs)
    local said = hearing:expect("the poll loop failed: boom")
    assert.same({ "error", "string" }, { said.level, type(said.fields.traceback) })
    assert.equal(0, hearing:count("returned"))
  end)

  it("ends when serve closes that scope itself", function()
    local supervising = supervise(function() scope:close() end, QUICK)
    assert.is_true((supervising:join()))
    assert.equal(0, #hearing.said)
  end)
end)
