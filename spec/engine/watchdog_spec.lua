-- SPDX-License-Identifier: MIT
local Daemon = require("support.daemon")
local accounts = require("engine.account")
local eventually = require("support.eventually")
local Folder = require("support.folder")
local fs = require("engine.fs")
local log = require("engine.log")
local process = require("engine.process")
local run_cli = require("support.run_cli")
local scope = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local place
local BUDGET = 0.05 -- seconds
local MOST_TAKEN = (Daemon.is_sanitized() and 10 or 4) * BUDGET

local function open(budget)
  local account = accounts.new({ label = "provider x", budget = budget or BUDGET })
  return account, assert(scope.new("provider x", nil, account))
end

local function run(fn, ...)
  local account, owner = open()
  local ok, result = owner:spawn(fn, ...):join()
  owner:close()
  return ok, result, account
end

local function assert_held(least, message)
  local held = tonumber(message:match("provider x held the engine for ([%d.]+) s"))
  assert(held and held >= least, message)
end

local function spin(seconds)
  local stop = os.clock() + seconds
  while os.clock() < stop do end -- luacheck: ignore 542
end

local function loop() while true do end end -- luacheck: ignore 542

-- Runs lines of Lua in an engine of their own, which may end by them.
local function script(lines)
  return place:write("script.lua", lines)
end

local runaways = {
  ["a loop"] = loop,
  ["a loop under pcall in a loop"] = function() while true do pcall(loop) end end,
  ["a loop of caught library calls"] = function() while true do pcall(string.rep, "x", 1e5) end end,
  ["a loop in nested coroutines, caught on each level"] = function()
    local function nest(depth)
      if depth == 0 then return loop() end
      local inner = coroutine.wrap(function() while true do pcall(nest, depth - 1) end end)
      while true do pcall(inner) end
    end
    nest(3)
  end,
  ["a loop in loaded code"] = function() assert(loadstring("while true do end"))() end,
  ["a loop that loads code"] = function() while true do pcall(loadstring("return 1 + 1")) end end,
  ["a metamethod that loops"] = function()
    local looping = setmetatable({}, { __index = loop, __add = loop, __tostring = loop })
    while true do
      pcall(function() return looping.x end)
      pcall(function() return looping + 1 end)
      pcall(tostring, looping)
    end
  end,
  ["an iterator without an end"] = function() for _ in function() return 1 end do end end, -- luacheck: ignore 542
  ["a comparison that loops"] = function() table.sort({ 1, 2, 3 }, loop) end,
  ["a replacement that loops"] = function() while true do (("x"):rep(100)):gsub(".", function() end) end end,
  ["tail calls"] = function() local function again() return again() end return again() end,
  ["recursion without an end, caught"] = function()
    local function deep() return 1 + deep() end
    while true do pcall(deep) end
  end,
  ["a loop through the engine's own functions"] = function()
    while true do pcall(log.debug, "x", { y = 1 }) pcall(task.timeout, "wrong", print) end
  end,
  ["a loop of messages"] = function() while true do pcall(log.info, "x") end end,
  ["a loop that never lets others wait"] = function() while true do pcall(task.queue) timer.now() end end,
}

describe("the watchdog", function()
  setup(function() place = Folder.new() end)
  teardown(function() place:remove() end)

  for name, runaway in pairs(runaways) do
    it("ends " .. name, function()
      local level = log.level()
      log.level("error")
      local ok, message, account = run(runaway)
      log.level(level)
      assert.is_false(ok)
      assert_held(BUDGET, message)
      assert.equal(1, account:stats().interrupted)
      assert.is_true(account:stats().cpu < MOST_TAKEN, account:stats().cpu)
    end)
  end

  it("lets each stretch between two waits have the budget anew", function()
    local ok, _, account = run(function()
      for _ = 1, 5 do
        spin(0.6 * BUDGET)
        task.sleep(0)
      end
    end)
    assert.is_true(ok)
    assert.is_true(account:stats().cpu > 2.5 * BUDGET)
    assert.equal(0, account:stats().interrupted)
  end)

  it("interrupts nobody else: not the engine, not an account without a budget, not a neighbour", function()
    local _, free = open(1000)
    local neighbour, beside = open()
    local spun = free:spawn(spin, 4 * BUDGET)
    local polls = beside:spawn(function() for _ = 1, 20 do spin(0.002) task.sleep(0) end end)
    spin(4 * BUDGET)
    local ok, message = run(loop)
    assert.is_false(ok)
    assert_held(BUDGET, message)
    assert.is_true((spun:join()))
    assert.is_true((polls:join()))
    assert.equal(0, neighbour:stats().interrupted)
    free:close()
    beside:close()
  end)

  it("leaves no hook behind, however often it interrupts", function()
    local account, owner = open(0.001)
    for i = 1, 300 do
      local ok, message = owner:spawn(loop):join()
      assert.is_false(ok)
      assert.matches("held the engine", message)
      assert.is_nil((debug.gethook()))
      assert.is_true((owner:spawn(function() return i end):join()))
    end
    assert.equal(300, account:stats().interrupted)
    owner:close()
  end)

  it("does not interrupt the engine's own functions: what they share stays whole", function()
    local _, owner = open(0.01)
    local broken = 0
    for _ = 1, 60 do
      local queue, held = task.queue(), 0
      local ok = owner:spawn(function()
        while true do
          queue:push(1)
          if queue:count() > 0 then queue:pop() end
        end
      end):join()
      assert.is_false(ok)
      for _ in pairs(queue.values) do held = held + 1 end
      if held ~= queue.size then broken = broken + 1 end
    end
    owner:close()
    assert.equal(0, broken)
  end)

  it("holds up a timer of others by no more than the budget", function()
    local _, owner = open(0.2)
    local held, last, ticks = 0, os.clock(), 0 -- of CPU time, which other processes on the host take none of
    local clock = timer.every(0.1, function()
      local now = os.clock()
      held, last, ticks = math.max(held, now - last), now, ticks + 1
    end)
    local loops = {}
    for i = 1, 5 do loops[i] = function() owner:spawn(loop):join() end end
    task.all(loops)
    clock:stop()
    owner:close()
    assert.is_true(ticks >= 4, ticks)
    assert.is_true(held < 0.1 + 0.2 + 0.2, held) -- the period, the budget, a tick that comes late
    collectgarbage()
  end)

  it("gives others their turn between the many tasks of one", function()
    local _, owner = open(1)
    for _ = 1, 200 do owner:spawn(spin, 0.01) end
    local began = os.clock()
    task.sleep(0)
    task.sleep(0)
    assert.is_true(os.clock() - began < 0.5, os.clock() - began)
    owner:close()
  end)

  it("lets who takes long come on beside many who do not", function()
    local _, owner = open(1)
    local turns, is_over = 0, false
    local queues = { task.queue(), task.queue() }
    for i = 1, 2 do
      queues[i]:push(true)
      task.spawn(function()
        while not is_over do
          queues[i]:pop()
          spin(0.001)
          queues[3 - i]:push(true)
        end
      end)
    end
    owner:spawn(function() while true do spin(0.02) turns = turns + 1 task.sleep(0) end end)
    local stop = os.clock() + 0.5
    while os.clock() < stop do task.sleep(0.01) end
    is_over = true
    owner:close()
    assert.is_true(turns >= 3, turns)
  end)

  it("blames nobody while the process is stopped", function()
    local path = script([[
      local account = require("engine.account").new({ label = "provider x", budget = 0.3 })
      local owner = require("engine.scope").new("provider x", nil, account)
      print(owner:spawn(function()
        io.stdout:write("begins\n") io.stdout:flush()
        local stop = os.clock() + 0.2
        while os.clock() < stop do end
        return "unharmed"
      end):join())
      print(account:stats().interrupted, account:stats().cpu < 0.5)
    ]])
    local child = Daemon.start({ "run", path })
    child:expect("begins")
    child:signal("STOP")
    task.sleep(0.7)
    child:signal("CONT")
    child:expect("true\tunharmed")
    child:expect("0\ttrue")
    assert.equal(0, child:wait().code)
  end)

  -- Has others want the CPUs as well until the spec is over.
  local function load_host()
    local children = {}
    finally(function() for _, child in ipairs(children) do child:close() end end)
    for i = 1, 4 * tonumber(assert(process.run({ "nproc" })).stdout) do
      children[i] = assert(process.start({ "sh", "-c", "ulimit -t 20; while :; do :; done" }))
    end
  end

  it("blames nobody where others want the CPUs as well", function()
    load_host()
    local account, owner = open(0.6)
    local began = timer.now()
    local ok, message = owner:spawn(spin, 0.3):join()
    owner:close()
    assert.is_true(timer.now() - began > 0.6, "the host was not loaded")
    assert.is_true(ok, message)
    assert.equal(0, account:stats().interrupted)
  end)

  it("tells what CPU time was taken where others want the CPUs as well", function()
    load_host()
    local account, owner = open(1)
    for _ = 1, 10 do owner:spawn(spin, 0.05):join() end
    owner:close()
    assert.is_near(0.5, account:stats().cpu, 0.05)
  end)

  it("ends the process where a call cannot be interrupted, and says who made it", function()
    local path = script([[
      local account = require("engine.account").new({ label = "provider x", budget = 0.1 })
      local owner = require("engine.scope").new("provider x", nil, account)
      owner:spawn(function() return (("a"):rep(60)):find((".-"):rep(40) .. "b") end):join()
    ]])
    local began = timer.now()
    local ended = run_cli({ "run", path }, { timeout = 60 })
    assert.equal(70, ended.code)
    assert.is_true(timer.now() - began >= 1)
    local due = { 0.2, 0.4, 0.8, 1 } -- said at the next tick
    for line in ended.stderr:gmatch("[^\n]+") do
      local held = tonumber(line:match("error %[provider x%] it has held the engine for ([%d.]+) s in a call that"))
      local least = table.remove(due, 1)
      assert(held, line)
      assert(held >= least and held < least + 0.3, line)
    end
    assert.same({}, due)
    assert.matches("interrupted: the process ends\n$", ended.stderr)
  end)

  it("does not wake a process that has nothing to do", function()
    local path = script([[
      local account = require("engine.account").new({ label = "provider x", budget = 0.1 })
      require("engine.scope").new("x", nil, account):spawn(function() require("engine.timer").sleep(1000) end)
      print("idle") io.stdout:flush()
      require("engine.timer").sleep(1000)
    ]])
    local child = Daemon.start({ "run", path })
    child:expect("idle")
    local function switches()
      return tonumber(fs.read(("/proc/%d/status"):format(child.process.pid)):match("\nvoluntary_ctxt_switches:%s+(%d+)"))
    end
    local resting
    eventually(function() -- it comes to rest
      resting = switches()
      task.sleep(0.5)
      return switches() == resting
    end, 10)
    task.sleep(3)
    assert.equal(resting, switches())
    child:stop()
  end)

  it("is nothing that children inherit", function()
    local ended = assert(process.run({ "sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status" }))
    for _, mask in ended.stdout:gmatch("(%w+):%s+(%x+)") do
      assert.equal(0, bit.band(tonumber(mask:sub(-8), 16), 2 ^ 25)) -- SIGVTALRM
    end
  end)
end)
