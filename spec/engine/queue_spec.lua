-- SPDX-License-Identifier: MIT
local scope = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

-- Until all that is ready has run.
local turn = require("support.turn")

describe("a queue", function()
  it("gives values back in the order in which they came", function()
    local queue = task.queue()
    for i = 1, 100 do assert.is_true(queue:push(i)) end
    assert.equal(100, queue:count())
    for i = 1, 100 do assert.equal(i, queue:pop()) end
    assert.equal(0, queue:count())
  end)

  it("keeps its order when pushes and pops alternate and it is never empty", function()
    local queue, pushed, popped = task.queue(), 0, 0
    for _ = 1, 1000 do
      for _ = 1, 3 do pushed = pushed + 1 queue:push(pushed) end
      for _ = 1, 2 do popped = popped + 1 assert.equal(popped, queue:pop()) end
    end
    assert.equal(1000, queue:count())
  end)

  it("holds values of every type but nil", function()
    local queue = task.queue()
    local values = { false, 0, "", {}, print, task.queue(), timer.after(1000, print), coroutine.create(print) }
    for _, value in ipairs(values) do queue:push(value) end
    collectgarbage()
    for i = 1, #values do assert.equal(values[i], queue:pop()) end
    values[7]:stop()
    assert.error_matches(function() queue:push(nil) end, "a queue holds no nil")
    assert.error_matches(function() queue:push() end, "a queue holds no nil")
  end)

  it("serves those who wait in the order in which they came, one value each", function()
    local queue, order = task.queue(), {}
    for i = 1, 3 do
      task.spawn(function() table.insert(order, i .. queue:pop()) end)
    end
    turn()
    queue:push("a")
    queue:push("b")
    queue:push("c")
    queue:push("d")
    turn()
    assert.same({ "1a", "2b", "3c" }, order)
    assert.equal(1, queue:count())
  end)

  it("refuses more than its limit, and takes more once there is room", function()
    local queue = task.queue(2)
    assert.is_true(queue:push(1))
    assert.is_true(queue:push(2))
    assert.same({ nil, "the queue is full", "ENOBUFS" }, { queue:push(3) })
    assert.equal(1, queue:pop())
    assert.is_true(queue:push(4))
    assert.equal(2, queue:pop())
    assert.equal(4, queue:pop())
  end)

  it("does not count what goes straight to a task that waits", function()
    local queue, got = task.queue(1), {}
    for _ = 1, 3 do
      task.spawn(function() table.insert(got, (queue:pop())) end)
    end
    turn()
    for i = 1, 4 do assert.is_true(queue:push(i)) end
    assert.is_nil(queue:push(5))
    turn()
    assert.same({ 1, 2, 3 }, got)
  end)

  it("passes over tasks that were cancelled while they waited", function()
    local queue, got = task.queue(), {}
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = task.spawn(function() table.insert(got, i .. queue:pop()) end)
    end
    turn()
    tasks[1]:cancel()
    queue:push("a")
    turn()
    assert.same({ "2a" }, got)
    tasks[3]:cancel()
    queue:push("b")
    assert.equal(1, queue:count())
    assert.equal("b", queue:pop())
  end)

  it("passes over tasks whose scope was closed", function()
    local queue, owner = task.queue(), scope.new()
    owner:spawn(function() queue:pop() end)
    turn()
    owner:close()
    queue:push("kept")
    assert.equal("kept", queue:pop())
  end)

  it("keeps nothing of a thousand tasks that waited in vain behind one that still does", function()
    local queue, got = task.queue(), nil
    local first = task.spawn(function() got = queue:pop() end)
    turn()
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 1000 do
      local waiting = task.spawn(function() queue:pop() end)
      weak[waiting] = true
      turn()
      waiting:cancel()
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
    queue:push("first")
    first:wait()
    assert.equal("first", got)
  end)

  it("can be waited for with a timeout, and loses nothing to that", function()
    local queue = task.queue()
    local value, _, code = task.timeout(0.001, function() return queue:pop() end)
    assert.is_nil(value)
    assert.equal("ETIMEDOUT", code)
    queue:push("late")
    assert.equal("late", task.timeout(1, function() return queue:pop() end))
  end)

  it("stays alive with its values while a task waits for it", function()
    local got
    local function start()
      local queue = task.queue()
      task.spawn(function() got = queue:pop() end)
      return setmetatable({ queue }, { __mode = "v" })
    end
    local weak = start()
    turn()
    collectgarbage()
    collectgarbage()
    weak[1]:push({ "value" })
    collectgarbage()
    turn()
    assert.same({ "value" }, got)
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("lets go of what was popped", function()
    local queue, weak = task.queue(), setmetatable({}, { __mode = "v" })
    for i = 1, 3 do
      weak[i] = {}
      queue:push(weak[i])
    end
    queue:pop()
    queue:pop()
    collectgarbage()
    collectgarbage()
    assert.same({ nil, nil, {} }, weak)
    queue:pop()
  end)

  it("raises for a wrong call", function()
    for _, limit in ipairs({ 0, -1 }) do
      assert.error_matches(function() task.queue(limit) end, "expected a limit of at least 1")
    end
    assert.error_matches(function() task.queue("many") end, "expected a limit of at least 1, found many")
    local queue = task.queue()
    assert.error_matches(function() queue.push(1, 2) end, "expected a queue as self, found a number")
    assert.error_matches(function() queue.pop() end, "expected a queue as self, found a nil")
    assert.error_matches(function() queue.count("queue") end, "expected a queue as self, found a string")
    assert.equal("queue", getmetatable(queue))
  end)
end)
