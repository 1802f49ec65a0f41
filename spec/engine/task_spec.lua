-- SPDX-License-Identifier: MIT
local dns = require("engine.dns")
local eventually = require("support.eventually")
local fs = require("engine.fs")
local log = require("engine.log")
local scope = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")
local udp = require("engine.udp")

-- Until all that is ready has run.
local turn = require("support.turn")

local function forever() task.queue():pop() end

-- Asks a DNS server that does not answer.
local function ask(silent, seconds)
  local host, port = silent:address()
  return dns.query("example.", "A", { servers = { host .. ":" .. port }, timeout = seconds, tries = 1 })
end

-- What a whole engine prints when it runs `code`, and what the shell does after it.
local function output_of(code, after)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write('local log, scope, task, timer = require("engine.log"), require("engine.scope"), require("engine.task"), '
    .. 'require("engine.timer")\n' .. code)
  file:close()
  local pipe = assert(io.popen(("timeout 60 %s run %s 2>&1 %s"):format(fs.readlink("/proc/self/exe"), name, after or "")))
  local output = pipe:read("*a")
  pipe:close()
  os.remove(name)
  return output
end

describe("a task", function()
  it("runs after the caller has waited, with its arguments", function()
    local got
    task.spawn(function(...) got = { n = select("#", ...), ... } end, 1, nil, "three", nil)
    assert.is_nil(got)
    turn()
    assert.same({ n = 4, 1, nil, "three", nil }, got)
  end)

  it("gives all its results to who waits, nils too", function()
    local function values(...) return select("#", ...), ... end
    assert.same({ 4, nil, 2, nil, nil }, { values(task.spawn(function() return nil, 2, nil, nil end):wait()) })
    assert.equal(0, (values(task.spawn(function() end):wait())))
  end)

  it("takes and gives hundreds of values", function()
    local numbers = {}
    for i = 1, 1000 do numbers[i] = i end
    local child = task.spawn(function(...) turn() return ... end, unpack(numbers))
    assert.same(numbers, { child:wait() })
    assert.same(numbers, { select(2, child:join()) })
  end)

  it("gives its results as often as asked, to all who ask, long after its end", function()
    local child = task.spawn(function() task.sleep(0.005) return { "result" } end)
    local askers = {}
    for i = 1, 5 do askers[i] = function() return child:wait() end end
    local results = task.all(askers)
    for i = 2, 5 do assert.equal(results[1], results[i]) end
    collectgarbage()
    assert.equal(results[1], child:wait())
    assert.same({ true, results[1] }, { child:join() })
  end)

  it("waits among others: 10,000 at once", function()
    local done, children = 0, {}
    for i = 1, 10000 do
      children[i] = task.spawn(function()
        task.sleep(i % 7 / 1000)
        done = done + 1
        return i
      end)
    end
    for i = 1, 10000 do assert.equal(i, children[i]:wait()) end
    assert.equal(10000, done)
  end)

  it("lets timers and files have their turn while tasks keep each other busy", function()
    local ping, pong, stopped, rounds = task.queue(), task.queue(), false, 0
    local function play(from, to)
      while not stopped do
        to:push(true)
        from:pop()
        rounds = rounds + 1
      end
      to:push(true)
    end
    local players = { task.spawn(play, ping, pong), task.spawn(play, pong, ping) }
    eventually(function() return rounds > 100 end)
    assert(fs.stat("/"))
    stopped = true
    for _, player in ipairs(players) do player:wait() end
  end)

  it("may wait inside pcall, an iterator, a metamethod and a deep call", function()
    local slow = setmetatable({}, {
      __index = function(_, key) turn() return key end,
      __add = function() turn() return "sum" end,
      __call = function() turn() return "called" end,
    })
    local function iterate() return function(_, i) turn() if i < 3 then return i + 1 end end, nil, 0 end
    local function deep(n) if n == 0 then turn() return "bottom" end return (deep(n - 1)) end
    local seen = {}
    for i in iterate() do seen[#seen + 1] = i end
    assert.same({ 1, 2, 3 }, seen)
    assert.equal("field", slow.field)
    assert.equal("sum", slow + 1)
    assert.equal("called", slow())
    assert.equal("bottom", deep(1000))
    assert.same({ false, "after" }, { pcall(function() turn() error("after", 0) end) })
  end)

  it("cannot wait inside table.sort, string.gsub, require or a coroutine of its own, and says so", function()
    local where = "nothing may wait inside require, table.sort or string.gsub"
    assert.error_matches(function() table.sort({ 1, 2 }, function() turn() end) end, where)
    assert.error_matches(function() return (("x"):gsub(".", turn)) end, where)
    package.preload["waits.at.the.top"] = turn
    assert.error_matches(function() require("waits.at.the.top") end, where)
    package.preload["waits.at.the.top"] = nil
    assert.error_matches(coroutine.wrap(function() turn() end), "not a coroutine of your own")
  end)

  it("may have coroutines of its own that do not wait", function()
    local generate = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
    assert.equal(1, generate())
    turn()
    assert.equal(2, generate())
    local inside
    coroutine.wrap(function() inside = coroutine.running() end)()
    assert.equal("thread", type(inside))
  end)

  it("keeps its own coroutine to itself", function()
    assert.is_nil(coroutine.running())
    assert.is_nil(task.spawn(function() return coroutine.running() end):wait())
  end)

  it("fails when it yields by itself", function()
    local ok, message = task.spawn(function() coroutine.yield("odd") end):join()
    assert.is_false(ok)
    assert.matches("coroutine.yield outside a coroutine of your own", message, 1, true)
  end)

  it("cannot wait for itself", function()
    local me
    me = task.spawn(function() return me:wait() end)
    local ok, message = me:join()
    assert.is_false(ok)
    assert.matches("a task cannot wait for itself", message, 1, true)
  end)

  it("goes when it has ended and nobody refers to it", function()
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 100 do
      local result = {}
      weak[result] = true
      weak[task.spawn(function() return result end)] = true
    end
    turn()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)

  it("lives on when nobody refers to it", function()
    local queue = task.queue()
    task.spawn(function()
      task.sleep(0.005)
      queue:push("done")
    end)
    collectgarbage()
    collectgarbage()
    assert.equal("done", queue:pop())
  end)

  it("survives the collector at each step", function()
    collectgarbage("setpause", 1)
    collectgarbage("setstepmul", 10000)
    for _ = 1, 50 do
      local queue = task.queue()
      task.spawn(function(...)
        task.sleep(0)
        queue:push({ ... })
      end, { "a" }, "b" .. math.random())
      assert.equal("a", queue:pop()[1][1])
      assert.equal(2, #task.all({ function() return {} end, function() turn() return {} end }))
    end
    collectgarbage("setpause", 200)
    collectgarbage("setstepmul", 200)
  end)

  it("counts while it lives", function()
    local before = task.stats()
    local child = task.spawn(forever)
    assert.equal(before + 1, task.stats())
    child:cancel()
    assert.equal(before, task.stats())
  end)

  it("refuses what is no function", function()
    assert.error_matches(function() task.spawn() end, "function expected")
    assert.error_matches(function() task.spawn({}) end, "function expected")
    local child = task.spawn(print)
    child:cancel()
    assert.error_matches(function() child.wait({}) end, "task expected")
    assert.equal("task", getmetatable(child))
  end)
end)

describe("an error that ends a task", function()
  it("is raised again where it is waited for, as the same value", function()
    local value = { "an error" }
    local child = task.spawn(function() turn() error(value) end)
    for _ = 1, 2 do
      local ok, raised = pcall(child.wait, child)
      assert.is_false(ok)
      assert.equal(value, raised)
    end
  end)

  it("is told by join with its traceback", function()
    local function culprit() error("oops") end
    local ok, message, traceback = task.spawn(function() culprit() return 1 end):join()
    assert.is_false(ok)
    assert.matches("task_spec.lua:%d+: oops$", message)
    assert.matches("in function 'culprit'", traceback, 1, true)
  end)

  it("may be nil, or the stack's overflow", function()
    local ended, value = task.spawn(function() error(nil) end):join()
    assert.is_false(ended)
    assert.is_nil(value)
    local function deep() return 1 + deep() end
    local ok, message = task.spawn(deep):join()
    assert.is_false(ok)
    assert.matches("stack overflow", message)
    assert.equal("fine", task.spawn(function() return "fine" end):wait())
  end)

  it("is logged when nobody waits, and can still be asked for", function()
    local output = output_of([[
      local child = scope.new("somebody"):spawn(function() error("unheard") end)
      task.sleep(0)
      print(child:join())
      print(select(2, task.stats()))
      task.spawn(function() error({}) end)
      task.sleep(0)]])
    assert.matches("error [somebody] ", output, 1, true)
    assert.matches(": unheard\n    stack traceback:\n", output, 1, true)
    assert.matches("\nfalse\t[^\n]*: unheard\tstack traceback:", output)
    assert.matches("\n1\n", output)
    assert.matches("%(the error is a table, not a message%)", output)
  end)

  it("is not logged when somebody waits already", function()
    local captured = 0
    log.capture(function() captured = captured + 1 end)
    local ok = task.spawn(function() turn() error("heard") end):join()
    log.capture(nil)
    assert.is_false(ok)
    assert.equal(0, captured)
  end)
end)

describe("cancelling", function()
  it("ends a task where it waits: nothing after that runs", function()
    local reached = false
    local child = task.spawn(function()
      pcall(forever)
      reached = true
    end)
    turn()
    child:cancel()
    assert.is_true(child:is_finished())
    assert.same({ nil, "closed", "ECANCELED" }, { child:wait() })
    assert.same({ nil, "closed", "ECANCELED" }, { child:join() })
    turn()
    assert.is_false(reached)
  end)

  it("ends a task that has not begun, or is ready to go on", function()
    local ran = false
    local child = task.spawn(function() ran = true end)
    child:cancel()
    local queue = task.queue()
    local ready = task.spawn(function()
      queue:pop()
      ran = true
    end)
    turn()
    queue:push(1)
    ready:cancel()
    turn()
    assert.is_false(ran)
  end)

  it("ends whatever it waits for", function()
    local other = task.spawn(forever)
    local watcher = assert(fs.watch("/"))
    local waits = {
      function() task.sleep(1000) end,
      function() while true do fs.read("/proc/self/status") end end,
      function() watcher:next() end,
      function() other:wait() end,
      function() task.timeout(1000, forever) end,
      function() task.all({ forever, forever }) end,
      function() scope.new():run(forever) end,
    }
    local owner = scope.new()
    for _, wait in ipairs(waits) do
      local child = owner:spawn(wait)
      turn()
      assert.is_false(child:is_finished())
      child:cancel()
      assert.is_true(child:is_finished())
    end
    owner:close()
    other:cancel()
    watcher:close()
  end)

  it("wakes those who wait for it", function()
    local child = task.spawn(forever)
    local asker = task.spawn(function() return child:wait() end)
    turn()
    child:cancel()
    assert.same({ nil, "closed", "ECANCELED" }, { asker:wait() })
  end)

  it("lets one that cancels itself go on to its next wait", function()
    local reached, me = {}, nil
    me = task.spawn(function()
      me:cancel()
      reached[1] = true
      pcall(turn)
      reached[2] = true
    end)
    assert.same({ nil, "closed", "ECANCELED" }, { me:join() })
    assert.same({ true }, reached)
  end)

  it("leaves one that has ended as it was", function()
    local child = task.spawn(function() return "result" end)
    child:wait()
    child:cancel()
    child:cancel()
    assert.equal("result", child:wait())
  end)

  it("leaves what the task has spawned and opened to the scope", function()
    local owner, grandchild, opened = scope.new(), nil, nil
    local child = owner:spawn(function()
      grandchild = task.spawn(forever)
      opened = udp.open()
      forever()
    end)
    turn()
    child:cancel()
    assert.is_false(grandchild:is_finished())
    assert.not_matches("closed", tostring(opened))
    owner:close()
    assert.is_true(grandchild:is_finished())
    assert.matches("closed", tostring(opened))
  end)
end)

describe("timeout", function()
  it("gives the results of what ends in time", function()
    assert.same({ 1, nil, 3 }, { task.timeout(10, function(...) turn() return ... end, 1, nil, 3) })
  end)

  it("ends what takes too long, with all it opened and spawned", function()
    local handles, tasks = scope.handles(), task.stats()
    local reached, before = false, timer.now()
    local result, message, code = task.timeout(0.02, function()
      udp.open()
      task.spawn(forever)
      forever()
      reached = true
    end)
    assert.is_nil(result)
    assert.equal("timed out after 0.02 s", message)
    assert.equal("timed out after 0.012 s", (select(2, task.timeout(0.012345, task.sleep, 1)))) -- the same, the next time
    assert.equal("ETIMEDOUT", code)
    assert(timer.now() - before >= 0.02)
    turn()
    assert.is_false(reached)
    assert.equal(handles, scope.handles())
    assert.equal(tasks, task.stats())
  end)

  it("hands up what was opened and spawned in time", function()
    local ticks, queue = 0, task.queue()
    local ticker, child = task.timeout(30, function()
      return timer.every(0.001, function()
        ticks = ticks + 1
        if ticks == 3 then queue:push(true) end
      end), task.spawn(function() task.sleep(0.01) return "lived on" end)
    end)
    queue:pop()
    ticker:stop()
    assert.equal("lived on", child:wait())
  end)

  it("raises the error again and closes what was opened", function()
    local handles = scope.handles()
    assert.error_matches(function()
      task.timeout(1, function()
        udp.open()
        error("from inside")
      end)
    end, "from inside")
    assert.equal(handles, scope.handles())
  end)

  it("may be nested: the shorter one counts, on either side", function()
    local function nest(outer, inner)
      return task.timeout(outer, function() return "inner", task.timeout(inner, forever) end)
    end
    assert.same({ "inner", nil, "timed out after 0.01 s", "ETIMEDOUT" }, { nest(5, 0.01) })
    assert.same({ nil, "timed out after 0.01 s", "ETIMEDOUT" }, { nest(0.01, 5) })
  end)

  it("may hold `all`, and `all` may hold it", function()
    local before = timer.now()
    local _, _, code = task.timeout(0.01, function() return task.all({ forever, forever }) end)
    assert.equal("ETIMEDOUT", code)
    local results = task.all({
      function() return select(3, task.timeout(0.01, forever)) end,
      function() return task.timeout(60, function() return "quick" end) end,
    })
    assert.same({ "ETIMEDOUT", "quick" }, results)
    assert(timer.now() - before < 30)
  end)

  it("ends with the task that waits in it", function()
    local tasks, handles, reached = task.stats(), scope.handles(), false
    local child = task.spawn(function()
      task.timeout(1000, function()
        task.timeout(1000, function()
          task.sleep(0.01)
          reached = true
        end)
      end)
    end)
    turn()
    turn()
    child:cancel()
    assert.equal(tasks, task.stats())
    task.sleep(0.02)
    assert.is_false(reached)
    assert.equal(handles, scope.handles())
  end)

  it("lets an operation fail with its own message first", function()
    local silent = assert(udp.open({ host = "127.0.0.1", port = 0 }))
    local before = timer.now()
    local answer, message, code = task.timeout(3, ask, silent, 5)
    local waited = timer.now() - before
    assert.is_nil(answer)
    assert.equal("ETIMEDOUT", code)
    assert.not_matches("timed out after 3 s", message, 1, true)
    assert(waited >= 2.5 and waited <= 3, waited)
    silent:close()
  end)

  it("bounds operations in the scopes inside it, too", function()
    local silent = assert(udp.open({ host = "127.0.0.1", port = 0 }))
    local _, message = task.timeout(3, function() return scope.new():run(ask, silent, 5) end)
    assert.not_matches("timed out after 3 s", message, 1, true)
    silent:close()
  end)

  it("leaves what it handed up the time that is left outside", function()
    local silent = assert(udp.open({ host = "127.0.0.1", port = 0 }))
    local owner = task.timeout(0.3, function() return scope.new() end)
    task.sleep(0.4)
    local before = timer.now()
    local _, _, code = owner:run(ask, silent, 0.1)
    assert.equal("ETIMEDOUT", code)
    assert(timer.now() - before >= 0.08)
    owner:close()
    silent:close()
  end)

  it("raises for a wrong call before it starts anything", function()
    local tasks, handles = task.stats(), scope.handles()
    for _, seconds in ipairs({ -1, math.huge, 0 / 0 }) do
      assert.error_matches(function() task.timeout(seconds, forever) end, "expected seconds from 0 to 1e9")
    end
    assert.error_matches(function() task.timeout(1) end, "expected a function as number 2, found a nil")
    assert.equal(tasks, task.stats())
    assert.equal(handles, scope.handles())
  end)

  it("does nothing in a closed scope", function()
    local owner, result = scope.new(), nil
    owner:run(function()
      owner:close()
      result = { task.timeout(1, forever) }
    end)
    assert.same({ nil, "closed", "ECANCELED" }, result)
  end)
end)

describe("all", function()
  it("starts nothing where nothing may wait, and nor does timeout", function()
    local ran = false
    local function run() ran = true end
    for _, start in ipairs({ function() task.all({ run }) end, function() task.timeout(1, run) end }) do
      assert.error_matches(coroutine.wrap(start), "this would wait")
    end
    turn()
    assert.is_false(ran)
  end)

  it("runs functions side by side and gives the first result of each", function()
    local before = timer.now()
    local results = task.all({
      function() task.sleep(0.5) return "a", "ignored" end,
      function() task.sleep(0.5) return nil end,
      function() task.sleep(0.4) return "c" end,
    })
    assert.same({ "a", nil, "c" }, results)
    assert(timer.now() - before < 1.4)
    assert.same({}, task.all({}))
  end)

  it("raises the first error at once and ends the others", function()
    local tasks, handles, reached = task.stats(), scope.handles(), false
    local before = timer.now()
    assert.error_matches(function()
      task.all({
        function() task.sleep(60) reached = true end,
        function() timer.after(1000, print) udp.open() forever() end,
        function() turn() error("second") end,
      })
    end, "second")
    assert(timer.now() - before < 30)
    assert.equal(tasks, task.stats())
    assert.equal(handles, scope.handles())
    assert.is_false(reached)
  end)

  it("ends when one of its functions yields by itself", function()
    assert.error_matches(function() task.all({ forever, coroutine.yield }) end, "coroutine.yield outside")
  end)

  it("hands up what its functions opened", function()
    local opened = task.all({ udp.open, function() return timer.after(1000, print) end })
    assert.not_matches("closed", tostring(opened[1]))
    assert.not_matches("closed", tostring(opened[2]))
    opened[1]:close()
    opened[2]:stop()
  end)

  it("ends with the task that waits in it", function()
    local tasks = task.stats()
    local child = task.spawn(function() task.all({ forever, function() task.all({ forever }) end }) end)
    for _ = 1, 5 do turn() end
    assert(task.stats() > tasks + 3)
    child:cancel()
    assert.equal(tasks, task.stats())
  end)

  it("raises for what is no function before it starts any", function()
    local ran = false
    assert.error_matches(function() task.all({ function() ran = true end, 5 }) end,
      "expected a function as number 2, found a number")
    turn()
    assert.is_false(ran)
  end)
end)

-- Calls that make something which a task's scope would own, as code.
local OPENINGS = { "scope.new()", "timer.after(1, print)", "task.spawn(print)", 'require("engine.udp").open()',
  "task.timeout(1, print)", "task.all({})" }

describe("where no task runs", function()
  it("a listener of the log can open nothing, and is told so", function()
    local output = output_of([[
      local attempts = { ]] .. "function() " .. table.concat(OPENINGS, " end, function() ") .. [[ end }
      log.capture(function()
        for _, attempt in ipairs(attempts) do print(pcall(attempt)) end
      end)
      task.spawn(function() error("unheard") end)
      task.sleep(0)]])
    assert.equal(#OPENINGS, select(2, output:gsub("false\t[^\n]*only[^\n]* a? ?task may", "")), output)
  end)

  it("finalizers may call what has been collected before, and are told so", function()
    local output = output_of([=[
      local makers = { scope.new, function() return task.spawn(print, "spawned") end,
        function() return require("engine.udp").open() end }
      local methods = { "close", "cancel", "close" }
      local function make(i)
        local proxy, made = newproxy(true), nil
        getmetatable(proxy).__gc = function() print(select(2, pcall(function() made[methods[i]](made) end))) end
        made = makers[i]()
      end
      for i = 1, #makers do make(i) end
      task.sleep(0)
      collectgarbage()
      collectgarbage()]=])
    for _, name in ipairs({ "scope", "task", "handle" }) do
      assert.matches("this " .. name .. " has been collected", output, 1, true)
    end
  end)
end)

describe("an engine", function()
  it("exits with its script's number, or with 1 if that is no exit status", function()
    for given, status in pairs({ [0] = 0, [7] = 7, [255] = 255, [256] = 1, [-1] = 1 }) do
      assert.equal(status .. "\n", output_of("return " .. given, "; echo $?"))
    end
  end)

  it("ends when its main task waits for what cannot come", function()
    local output = output_of([[ local a, b
      a = task.spawn(function() task.sleep(0) b:wait() end)
      b = task.spawn(function() a:wait() end)
      b:wait() ]])
    assert.matches("the main task waits for something that cannot happen", output, 1, true)
  end)

  it("goes on with more tasks than a turn of its loop takes, without a timer to wake it", function()
    assert.equal("1000\n", output_of([[
      local queue = task.queue()
      for i = 1, 1000 do task.spawn(function() queue:push(i) end) end
      local last
      for _ = 1, 1000 do last = queue:pop() end
      print(last)]]))
  end)

  it("drops what still runs when its main task ends, and ends cleanly", function()
    local output = output_of([[
      local queue = task.queue()
      for _ = 1, 100 do task.spawn(function() pcall(task.sleep, 1000) print("reached") end) end
      timer.every(0.001, function() print("ticked") end)
      require("engine.fs").watch("/")
      task.spawn(function() require("engine.fs").read("/proc/self/status") print("reached") end)
      task.spawn(function() queue:push(true) end)
      queue:pop()]])
    assert.equal("", output)
    assert.equal("", output_of([[ timer.after(1000, print) ]]))
  end)
end)
