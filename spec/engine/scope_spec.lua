-- SPDX-License-Identifier: MIT
local fs = require("engine.fs")
local log = require("engine.log")
local scope = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")
local udp = require("engine.udp")

local CLOSED = { nil, "closed", "ECANCELED" }

local turn = require("support.turn")

local function forever() task.queue():pop() end

describe("a scope", function()
  it("runs a function and waits for it: results, arguments and errors", function()
    local owner = scope.new()
    assert.same({ 1, nil, 3 }, { owner:run(function(...) turn() return ... end, 1, nil, 3) })
    local value = {}
    local ok, raised = pcall(owner.run, owner, function() turn() error(value) end)
    assert.is_false(ok)
    assert.equal(value, raised)
    assert.is_false(owner:is_closed())
    owner:close()
  end)

  it("keeps what was opened and spawned in it until it closes", function()
    local owner, handles, tasks = scope.new(), scope.handles(), task.stats()
    owner:run(function()
      udp.open()
      task.spawn(forever)
    end)
    assert.equal(handles + 1, scope.handles())
    assert.equal(tasks + 1, task.stats())
    owner:close()
    assert.is_true(owner:is_closed())
    assert.equal(handles, scope.handles())
    assert.equal(tasks, task.stats())
  end)

  it("closes its children, and theirs", function()
    local owner, inner, innermost = scope.new(), nil, nil
    local tasks = task.stats()
    owner:run(function()
      inner = scope.new()
      inner:run(function()
        innermost = scope.new()
        innermost:spawn(forever)
      end)
    end)
    turn()
    owner:close()
    assert.is_true(inner:is_closed())
    assert.is_true(innermost:is_closed())
    assert.equal(tasks, task.stats())
  end)

  it("has children of its own, also made by others", function()
    local owner = scope.new("owner")
    local child = owner:child("child")
    local running = child:spawn(forever)
    owner:close()
    assert.is_true(child:is_closed())
    assert.is_true(running:is_finished())
    assert.same(CLOSED, { owner:child() })
  end)

  it("gives operations nine tenths of what the nearest deadline leaves", function()
    assert.equal(5, scope.timeout(5))
    local hurried = scope.new(nil, 1000)
    local inner = hurried:child(nil, 1e6)
    inner:run(function()
      assert.equal(5, scope.timeout(5))
      local left = scope.timeout(1e5)
      assert(left > 850 and left <= 900, left)
    end)
    hurried:child(nil, 0.5):run(function() assert(scope.timeout(5) <= 0.45) end)
    scope.new(nil, -1):run(function() assert.equal(0.001, scope.timeout(5)) end)
    inner:hand_up()
    hurried:close()
  end)

  it("closes however deep it is nested, on a small stack", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write('local scope = require("engine.scope") local top = scope.new() local each = top '
      .. 'for _ = 1, 100000 do each = each:child() end top:close() print(each:is_closed())')
    file:close()
    local pipe = assert(io.popen(("ulimit -c 0; ulimit -s 512 && %s run %s 2>&1"):format(fs.readlink("/proc/self/exe"), name)))
    local output = pipe:read("*a")
    pipe:close()
    os.remove(name)
    assert.equal("true\n", output)
  end)

  it("keeps its parent's label when it is closed", function()
    local sources, owner = {}, scope.new("owner")
    local child = owner:child()
    log.capture(function(_, source) sources[#sources + 1] = source end)
    child:run(function()
      child:close()
      log.warn("closed")
    end)
    log.capture(nil)
    owner:close()
    assert.same({ "owner" }, sources)
  end)

  it("starts nothing for a caller that may not wait", function()
    local owner, ran = scope.new(), false
    assert.error_matches(coroutine.wrap(function() owner:run(function() ran = true end) end), "this would wait")
    turn()
    owner:close()
    assert.is_false(ran)
  end)

  it("leaves its parent and its siblings alone", function()
    local parent = scope.new()
    local one, two
    parent:run(function() one, two = scope.new(), scope.new() end)
    local sibling = two:spawn(forever)
    one:close()
    assert.is_false(parent:is_closed())
    assert.is_false(two:is_closed())
    assert.is_false(sibling:is_finished())
    parent:close()
    assert.is_true(sibling:is_finished())
  end)

  it("refuses new work once it is closed, whoever asks", function()
    local owner, answers = scope.new(), {}
    owner:run(function()
      owner:close()
      answers.spawn = { task.spawn(forever) }
      answers.timer = { timer.after(1, print) }
      answers.scope = { scope.new() }
      answers.all = { task.all({ forever }) }
      answers.watch = { require("engine.fs").watch("/") }
    end)
    for _, name in ipairs({ "spawn", "timer", "scope", "all", "watch" }) do assert.same(CLOSED, answers[name], name) end
    assert.same(CLOSED, { owner:spawn(forever) })
    assert.same(CLOSED, { owner:run(forever) })
    owner:close()
    owner:hand_up()
  end)

  it("gives those who wait elsewhere for its tasks nil, closed, ECANCELED", function()
    local owner = scope.new()
    local child = owner:spawn(forever)
    local asker = task.spawn(function() return child:wait() end)
    local runner = task.spawn(function() return owner:run(forever) end)
    turn()
    owner:close()
    assert.same(CLOSED, { asker:wait() })
    assert.same(CLOSED, { runner:wait() })
  end)

  it("can be closed while a task of it is new, ready, waiting or has ended", function()
    for _, state in ipairs({ "new", "ready", "waiting", "ended" }) do
      local owner, queue, reached = scope.new(), task.queue(), false
      local child = owner:spawn(function()
        if state ~= "ended" then
          queue:pop()
          reached = true
        end
      end)
      if state ~= "new" then turn() end
      if state == "ready" then queue:push(1) end
      owner:close()
      turn()
      assert.is_false(reached)
      assert.is_true(child:is_finished())
    end
  end)

  it("can be closed by a task of its own, which goes on to its next wait", function()
    local owner, reached = scope.new(), {}
    local child = owner:spawn(function()
      local deeper = scope.new()
      deeper:run(function()
        owner:close()
        reached[#reached + 1] = "after close"
        pcall(turn)
        reached[#reached + 1] = "after wait"
      end)
      reached[#reached + 1] = "after run"
    end)
    assert.same(CLOSED, { child:join() })
    turn()
    assert.same({ "after close" }, reached)
  end)

  it("keeps the results of a task that closed it and did not wait again", function()
    local owner = scope.new()
    assert.equal("result", owner:run(function()
      owner:close()
      return "result"
    end))
  end)

  it("logs nothing for a task that was dropped", function()
    local captured = 0
    require("engine.log").capture(function() captured = captured + 1 end)
    local owner = scope.new()
    owner:spawn(function()
      pcall(owner.close, owner)
      task.timeout(1, forever)
      task.all({ forever })
      turn()
      error("never")
    end)
    turn()
    turn()
    require("engine.log").capture(nil)
    assert.equal(0, captured)
  end)

  it("can be closed by a timer, of its own or of another scope", function()
    for _, is_own in ipairs({ true, false }) do
      local owner = scope.new()
      local child = owner:spawn(forever)
      local function close() owner:close() end
      if is_own then owner:run(timer.after, 0.002, close) else timer.after(0.002, close) end
      assert.same(CLOSED, { child:join() })
      assert.is_true(owner:is_closed())
    end
  end)

  it("can be closed by a task in a child, and by one in a child of a child", function()
    local owner = scope.new()
    local child = owner:spawn(function()
      scope.new():run(function()
        scope.new():run(function()
          owner:close()
          turn()
        end)
      end)
    end)
    assert.same(CLOSED, { child:join() })
  end)

  it("hands all it owns up to its parent", function()
    local parent, child = scope.new(), nil
    local running, opened, grandchild
    parent:run(function()
      child = scope.new()
      child:run(function()
        running = task.spawn(forever)
        opened = udp.open()
        grandchild = scope.new()
      end)
    end)
    child:hand_up()
    assert.is_true(child:is_closed())
    assert.is_false(running:is_finished())
    assert.not_matches("closed", tostring(opened))
    assert.is_false(grandchild:is_closed())
    parent:close()
    assert.is_true(running:is_finished())
    assert.matches("closed", tostring(opened))
    assert.is_true(grandchild:is_closed())
  end)

  it("hands up to the next scope that is open", function()
    local parent, child, grandchild, opened = scope.new(), nil, nil, nil
    parent:run(function()
      child = scope.new()
      child:run(function()
        grandchild = scope.new()
        opened = grandchild:run(udp.open)
      end)
    end)
    child:hand_up()
    child = nil
    collectgarbage()
    grandchild:hand_up()
    assert.not_matches("closed", tostring(opened))
    parent:close()
    assert.matches("closed", tostring(opened))
  end)

  it("hands up the task that runs", function()
    local parent, child = scope.new(), nil
    parent:run(function() child = scope.new() end)
    local running = child:spawn(function()
      child:hand_up()
      turn()
      udp.open()
      return "lived on"
    end)
    assert.equal("lived on", running:wait())
    local handles = scope.handles()
    parent:close()
    assert.equal(handles - 1, scope.handles())
  end)

  it("lives on when Lua has forgotten it", function()
    local queue = task.queue()
    scope.new():spawn(function()
      task.sleep(0.005)
      queue:push("done")
    end)
    collectgarbage()
    collectgarbage()
    assert.equal("done", queue:pop())
  end)

  it("may be closed in any order and any number of times, a thousand of them", function()
    local scopes = { scope.new() }
    for i = 2, 1000 do
      scopes[math.random(i - 1)]:run(function() scopes[i] = scope.new() end)
      scopes[i]:spawn(forever)
      scopes[i]:run(function() timer.after(1000, print) udp.open() end)
    end
    for _ = 1, 1000 do scopes[math.random(1000)]:close() end
    scopes[1]:close()
    for i = 1, 1000 do assert.is_true(scopes[i]:is_closed()) end
  end)

  it("closes handles that waited for the collector", function()
    local handles = scope.handles()
    for _ = 1, 10 do require("engine.fs").watch("/") end
    collectgarbage()
    collectgarbage()
    assert.equal(handles, scope.handles())
  end)

  it("raises for a wrong call", function()
    assert.error_matches(function() scope.new({}) end, "string expected")
    local owner = scope.new()
    assert.error_matches(function() owner:spawn() end, "function expected")
    assert.error_matches(function() owner:run("x") end, "function expected")
    assert.error_matches(function() owner.close() end, "scope expected")
    assert.equal("scope", getmetatable(owner))
    owner:close()
  end)
end)
