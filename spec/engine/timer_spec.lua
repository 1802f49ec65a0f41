-- SPDX-License-Identifier: MIT
local accounts = require("engine.account")
local eventually = require("support.eventually")
local fs = require("engine.fs")
local scope = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

-- Reads a descriptor as often as it can until so many seconds of CPU time are spent: how often that was.
local function count_reads(seconds)
  local reads, stop = 0, os.clock() + seconds
  while os.clock() < stop do
    assert(fs.stat("/"))
    reads = reads + 1
  end
  return reads
end

local function compute(seconds)
  local stop = os.clock() + seconds
  while os.clock() < stop do end
end

describe("engine.timer", function()
  it("has a clock that does not go back", function()
    local before = timer.now()
    for _ = 1, 1000 do
      local now = timer.now()
      assert(now >= before)
      before = now
    end
  end)

  it("tells the wall clock in microseconds", function()
    local before = os.time()
    local seconds = timer.wall_clock() / 1e6
    assert(seconds >= before and seconds < before + 30, seconds)
  end)

  it("runs a function once, not before its time", function()
    local queue, before = task.queue(), timer.now()
    timer.after(0.02, function() queue:push(timer.now()) end)
    local waited = queue:pop() - before
    assert(waited >= 0.02, waited)
    task.sleep(0.05)
    assert.equal(0, queue:count())
  end)

  it("counts from the call, however long the caller has computed before", function()
    local queue = task.queue()
    local busy_until = timer.now() + 0.05
    while timer.now() < busy_until do end
    local before = timer.now()
    timer.after(0.02, function() queue:push(timer.now()) end)
    assert(queue:pop() - before >= 0.02)
  end)

  it("runs timers in the order of their times", function()
    local order, queue = {}, task.queue()
    for _, delay in ipairs({ 0.3, 0.1, 0.2, 0 }) do
      timer.after(delay, function()
        order[#order + 1] = delay
        queue:push(true)
      end)
    end
    for _ = 1, 4 do queue:pop() end
    assert.same({ 0, 0.1, 0.2, 0.3 }, order)
  end)

  it("repeats until it is stopped, also by its own function", function()
    local queue, ticks, ticker = task.queue(), 0, nil
    ticker = timer.every(0.002, function()
      ticks = ticks + 1
      if ticks == 5 then
        ticker:stop()
        queue:push(true)
      end
    end)
    queue:pop()
    task.sleep(0.02)
    assert.equal(5, ticks)
    ticker:stop()
  end)

  it("goes on after its function raised, which is logged", function()
    local code = [[
      local task, timer = require("engine.task"), require("engine.timer")
      local ticks, queue = 0, task.queue()
      timer.every(0.001, function()
        ticks = ticks + 1
        if ticks == 3 then queue:push(true) end
        error("tick " .. ticks)
      end)
      queue:pop()
      task.sleep(0)
    ]]
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write(code)
    file:close()
    local pipe = assert(io.popen(require("engine.fs").readlink("/proc/self/exe") .. " run " .. name .. " 2>&1"))
    local output = pipe:read("*a")
    pipe:close()
    os.remove(name)
    for tick = 1, 3 do assert.matches("error %[engine%] [^\n]*: tick " .. tick, output) end
  end)

  it("may wait in its function, and then runs beside itself", function()
    local running, most, queue = 0, 0, task.queue()
    local ticker = timer.every(0.001, function()
      running = running + 1
      most = math.max(most, running)
      if running == 3 then queue:push(true) end
      task.sleep(0.05)
      running = running - 1
    end)
    queue:pop()
    ticker:stop()
    while running > 0 do task.sleep(0.01) end
    assert(most >= 3)
  end)

  it("keeps its rhythm when it is late for once, and leaves out what it missed", function()
    local period, times, done, began, ticker = 0.1, {}, task.queue(), timer.now(), nil
    ticker = timer.every(period, function()
      times[#times + 1] = timer.now() - began
      if #times == 3 then while timer.now() < began + 5.5 * period do end end
      if #times == 24 then done:push(ticker:stop() or true) end
    end)
    done:pop()
    local in_time = 0
    for i = 5, 24 do
      if (times[i] + 0.001) % period < period / 4 then in_time = in_time + 1 end
    end
    assert(in_time >= 10, in_time)
    assert(times[24] >= 25 * period - 0.002, times[24])
  end)

  it("leaves a function alone that runs when it is stopped", function()
    for _, name in ipairs({ "after", "every" }) do
      local began, may_end, ended = task.queue(), task.queue(), task.queue()
      local one = timer[name](0.001, function()
        began:push(true)
        may_end:pop()
        ended:push(true)
      end)
      began:pop()
      one:stop()
      may_end:push(true)
      assert.is_true(task.timeout(30, function() return ended:pop() end), name)
    end
  end)

  it("leaves out a time at which its account has no memory, and goes on", function()
    local account = accounts.new({ label = "x" })
    local owner, held, ticks, ticker = scope.new("x", nil, account), {}, task.queue(), nil
    owner:run(function()
      held[1] = ("x"):rep(8e6)
      ticker = timer.every(0.001, function() ticks:push(true) end)
    end)
    ticks:pop()
    account:limit({ memory_limit = 2e6 })
    local refused = account:stats().refused
    eventually(function() return account:stats().refused >= refused + 3 end)
    while ticks:count() > 0 do ticks:pop() end
    assert.equal(8e6, #table.remove(held))
    collectgarbage()
    assert.is_true(task.timeout(30, function() return ticks:pop() end))
    ticker:stop()
    owner:close()
  end)

  it("does not run once it was stopped", function()
    local ran = false
    timer.after(0.001, function() ran = true end):stop()
    task.sleep(0.01)
    assert.is_false(ran)
  end)

  it("goes on when Lua has forgotten it", function()
    local queue = task.queue()
    timer.after(0.01, function() queue:push("rang") end)
    collectgarbage()
    collectgarbage()
    assert.equal("rang", queue:pop())
  end)

  it("leaves descriptors their turn when its function takes longer than its period and starts timers", function()
    local stop, began, ticker = os.clock() + 0.3, task.queue(), nil
    ticker = timer.every(0.001, function()
      compute(0.003)
      began:push(true)
      timer.after(1000, print):stop()
      if os.clock() > stop then ticker:stop() end
    end)
    began:pop()
    local reads = count_reads(0.2)
    ticker:stop()
    assert(reads > 5, reads)
  end)

  it("ends with the scope of the task that made it", function()
    local before, ran = task.stats(), 0
    local owner = scope.new()
    owner:run(function() timer.every(0.001, function() ran = ran + 1 end) end)
    assert.equal(before + 1, task.stats())
    owner:close()
    assert.equal(before, task.stats())
    task.sleep(0.01)
    assert.equal(0, ran)
  end)

  it("stops its scope from within", function()
    local owner, queue = scope.new(), task.queue()
    local after_wait = false
    owner:run(function()
      timer.after(0, function()
        owner:close()
        queue:push(timer.after(0, print) == nil)
        task.sleep(0)
        after_wait = true
      end)
    end)
    assert.is_true(queue:pop())
    task.sleep(0.005)
    assert.is_false(after_wait)
  end)

  it("lets go of its function when it is over", function()
    local weak = setmetatable({}, { __mode = "v" })
    do
      local big = {}
      weak.once, weak.stopped = big, {}
      local stopped = weak.stopped
      timer.after(0, function() return big end)
      timer.after(1000, function() return stopped end):stop()
    end
    task.sleep(0.005)
    collectgarbage()
    collectgarbage()
    assert.same({}, weak)
  end)

  it("raises for seconds or a function that are none", function()
    for _, seconds in ipairs({ -1, 1e10, 0 / 0 }) do
      for _, name in ipairs({ "after", "every", "sleep" }) do
        assert.error_matches(function() timer[name](seconds, print) end, "expected seconds from 0 to 1e9")
      end
    end
    assert.error_matches(function() timer.every(0, print) end, "expected more than 0 seconds")
    assert.error_matches(function() timer.after(1) end, "expected a function, found a nil")
    assert.error_matches(function() timer.after("soon", print) end, "expected seconds from 0 to 1e9, found soon")
    local one = timer.after(1000, print)
    one:stop()
    assert.error_matches(function() one.stop() end, "expected a timer as self, found a nil")
    assert.matches("^timer: .*%(closed%)$", tostring(one))
  end)
end)

describe("sleep", function()
  it("leaves descriptors their turn, however long those compute that sleep in turns", function()
    local stop = os.clock() + 0.2
    local function work()
      while os.clock() < stop do
        compute(0.003)
        task.sleep(0)
      end
    end
    local workers = { task.spawn(work), task.spawn(work) }
    local reads = count_reads(0.2)
    for _, worker in ipairs(workers) do worker:wait() end
    assert(reads > 5, reads)
  end)

  it("waits at least as long as asked, while others run", function()
    local before, ran = timer.now(), false
    task.spawn(function() ran = true end)
    task.sleep(0.02)
    assert(timer.now() - before >= 0.02)
    assert.is_true(ran)
  end)

  it("ends side by side: a thousand sleepers sleep no longer than one", function()
    local before, sleepers = timer.now(), {}
    for i = 1, 1000 do sleepers[i] = function() task.sleep(0.05) end end
    task.all(sleepers)
    assert(timer.now() - before < 25)
  end)
end)
