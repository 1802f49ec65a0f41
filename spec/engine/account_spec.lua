-- SPDX-License-Identifier: MIT
local accounts = require("engine.account")
local scope = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")
local udp = require("engine.udp")

local turn = require("support.turn")

local MB = 2 ^ 20
local REFUSED = "not enough memory: it holds "

local function open(options)
  options = options or {}
  options.label = options.label or "provider x"
  local account = accounts.new(options)
  return account, assert(scope.new(options.label, nil, account))
end

-- Runs a function on an account of its own; true or false and its first result or error, and the account.
local function run(options, fn, ...)
  local account, owner = open(options)
  local ok, result = owner:spawn(fn, ...):join()
  owner:close()
  return ok, result, account
end

local function bytes_of(account)
  collectgarbage()
  collectgarbage()
  return account:stats().bytes
end

describe("an account", function()
  it("counts the bytes that live of what was made in its scope, and in scopes below", function()
    local kept = {}
    local ok, _, account = run(nil, function()
      kept[1] = ("x"):rep(2 * MB)
      local below = scope.new("below")
      below:run(function() kept[2] = ("y"):rep(3 * MB) end)
      below:close()
    end)
    assert.is_true(ok)
    assert.is_near(5 * MB, bytes_of(account), 10000)
    kept[1] = nil
    assert.is_near(3 * MB, bytes_of(account), 10000)
    kept[2] = nil
    assert.is_near(0, bytes_of(account), 10000)
    assert.same({}, kept)
  end)

  it("is not charged what others make meanwhile", function()
    local account, owner = open()
    local kept = {}
    local work = owner:spawn(function() turn() end)
    for i = 1, 100 do kept[i] = ("x"):rep(10000) .. i end
    work:join()
    assert.is_near(0, bytes_of(account), 10000)
    assert.equal(100, #kept)
    owner:close()
  end)

  it("is charged the results that its tasks receive", function()
    local listener = assert(tcp.listen({ host = "127.0.0.1", port = 0 }))
    local _, port = listener:address()
    local socket = assert(udp.open({ host = "127.0.0.1", port = 0 }))
    local _, udp_port = socket:address()
    local kept = {}
    local account, owner = open()
    local reader = owner:spawn(function()
      local stream = assert(tcp.connect({ host = "127.0.0.1", port = port }))
      for i = 101, 104 do kept[i] = assert(stream:read(MB - 10)) end
      local receiver = assert(udp.open({ host = "127.0.0.1", port = 0 }))
      assert(receiver:send("here", "127.0.0.1", udp_port))
      for i = 1, 20 do kept[i] = assert(receiver:receive()) end
    end)
    local peer = assert(listener:accept())
    for i = 1, 4 do assert(peer:write(i .. ("x"):rep(MB - 1))) end -- equal strings would be one
    local _, from = socket:receive()
    local _, receiver_port = from:address()
    for i = 1, 20 do assert(socket:send(("%02d"):format(i) .. ("x"):rep(2000), "127.0.0.1", receiver_port)) end
    assert.is_true((reader:join()))
    assert.is_near(4 * MB + 20 * 2000, bytes_of(account), 150000)
    assert.equal(20, #kept)
    for _, handle in ipairs({ listener, peer, socket }) do handle:close() end
    owner:close()
  end)

  it("counts the seconds of CPU time that its tasks take, and not those that they wait", function()
    local account, owner = open()
    owner:run(function()
      timer.sleep(0.5)
      local stop = os.clock() + 0.1
      while os.clock() < stop do end -- luacheck: ignore 542
    end)
    local cpu = account:stats().cpu
    assert.is_true(cpu > 0.08 and cpu < 0.4, cpu)
    owner:close()
  end)

  it("counts tasks and handles, also those that are handed from one account to another", function()
    local account, owner = open()
    local other = accounts.new({ label = "provider y" })
    local below = assert(owner:child("y", nil, other))
    below:run(function()
      udp.open()
      task.spawn(task.sleep, 1000)
    end)
    assert.same({ 1, 1 }, { other:stats().tasks, other:stats().handles })
    assert.same({ 0, 0 }, { account:stats().tasks, account:stats().handles })
    below:hand_up()
    assert.same({ 0, 0 }, { other:stats().tasks, other:stats().handles })
    assert.same({ 1, 1 }, { account:stats().tasks, account:stats().handles })
    owner:close()
    assert.same({ 0, 0 }, { account:stats().tasks, account:stats().handles })
  end)

  it("lets a task that was ready in one go on in another", function()
    local _, owner = open()
    local below = assert(owner:child("y", nil, accounts.new({ label = "provider y" })))
    local has_run = false
    local work = below:spawn(function() has_run = true end)
    below:hand_up()
    assert.is_true((work:join()))
    assert.is_true(has_run)
    owner:close()
  end)

  it("lives on while something that it was charged lives, and its scope", function()
    local kept = {}
    do
      local _, owner = open({ label = "gone" })
      owner:run(function() kept[1] = ("x"):rep(MB) end)
      owner:spawn(task.sleep, 0.01)
    end
    collectgarbage()
    collectgarbage()
    timer.sleep(0.03)
    assert.equal(MB, #kept[1])
    kept[1] = nil
    collectgarbage()
  end)

  it("of the engine has all the rest and no limits", function()
    local engine = accounts.engine()
    local before = engine:stats()
    local kept = ("x"):rep(3 * MB)
    assert.is_true(engine:stats().bytes >= before.bytes + 3 * MB)
    assert.is_true(before.tasks >= 1)
    local stop = os.clock() + 0.05
    while os.clock() < stop do end -- luacheck: ignore 542
    assert.is_true(engine:stats().cpu > before.cpu + 0.04)
    assert.equal(3 * MB, #kept)
    assert.has_error(function() engine:limit({ budget = 1 }) end, "the engine's account has no limits")
  end)

  it("is refused for wrong options", function()
    local function says(message, fn, ...)
      local ok, found = pcall(fn, ...)
      assert.is_false(ok)
      assert.matches(message, found, nil, true)
    end
    says("expected a table of limits, found a nil", accounts.new)
    says("expected a string as label, found a nil", accounts.new, {})
    says("expected a number above 0 as budget, found 0", accounts.new, { label = "x", budget = 0 })
    says("expected a number above 0 as memory_limit, found 64 MB", accounts.new, { label = "x", memory_limit = "64 MB" })
    says("expected a number above 0 as budget, found nan", accounts.new, { label = "x", budget = 0 / 0 })
    local account = accounts.new({ label = "x" })
    says("expected a table of limits, found a number", account.limit, account, 1)
    says("expected a number above 0 as budget, found -1", account.limit, account, { budget = -1 })
    says("account", scope.new, "x", nil, {})
  end)
end)

describe("a memory limit", function()
  local bombs = {
    ["a table that grows"] = function() local t = {} while true do t[#t + 1] = { #t } end end, -- luacheck: ignore 241
    ["many strings"] = function() local t = {} while true do t[#t + 1] = ("x"):rep(1e5) .. #t end end,
    ["a string that grows"] = function() local s = "x" while true do s = s .. s end end,
    ["one huge string"] = function() return #("x"):rep(1e9) end,
    ["one huge buffer"] = function() return #(("x"):rep(1e6):gsub(".", ("y"):rep(1e3))) end,
    ["coroutines"] = function() local t = {} while true do t[#t + 1] = coroutine.create(print) end end, -- luacheck: ignore 241
    ["closures"] = function() local f = print while true do local g = f f = function() return g() end end end,
    ["a deep stack"] = function()
      local function deep(n, ...) return n, deep(n + 1, n, ...) end
      return deep(1)
    end,
    ["tasks"] = function() while true do task.spawn(print) end end,
    ["what pcall catches each time"] = function()
      local t = {}
      while true do pcall(function() while true do t[#t + 1] = ("x"):rep(1e5) .. #t end end) end
    end,
    ["what a nested coroutine catches each time"] = function()
      local t = {}
      local bomb = coroutine.wrap(function()
        while true do pcall(function() while true do t[#t + 1] = ("x"):rep(1e5) .. #t end end) end
      end)
      while true do pcall(bomb) end
    end,
  }
  for name, bomb in pairs(bombs) do
    it("ends " .. name .. " with an error, and the memory comes back", function()
      local neighbour, owner = open({ label = "provider y", memory_limit = 2 * MB })
      local ok, message, account = run({ memory_limit = 16 * MB, budget = 5 }, bomb)
      assert.is_false(ok)
      if name == "a deep stack" then
        assert.is_truthy(message:find("stack overflow", 1, true) or message:find(REFUSED, 1, true), message)
      else
        assert.matches(REFUSED, message, nil, true)
        assert.matches("memory_limit is 16 MB", message, nil, true)
        assert.is_true(account:stats().refused >= 1)
      end
      assert.is_true(account:stats().bytes <= 33 * MB)
      assert.is_true(owner:run(function() return #("y"):rep(MB) == MB end))
      assert.equal(0, neighbour:stats().refused)
      owner:close()
      assert.is_true(bytes_of(account) < MB, account:stats().bytes)
    end)
  end

  it("has the garbage of a bomb collected by itself, a turn later", function()
    local ok, _, account = run({ memory_limit = 16 * MB }, bombs["many strings"])
    assert.is_false(ok)
    turn()
    timer.sleep(0.01)
    assert.is_true(account:stats().bytes < MB, account:stats().bytes)
  end)

  it("is not reached by garbage", function()
    local held = {}
    local account, owner = open({ memory_limit = 16 * MB })
    owner:run(function() for i = 1, 125 do held[i] = ("x"):rep(1e5) .. i end end)
    for poll = 1, 100 do
      assert.is_true((owner:spawn(function()
        local garbage = {} -- luacheck: ignore 241
        for i = 1, 20000 do garbage[i] = { i } end
      end):join()), poll)
    end
    owner:run(function() for i = 1, 30 do held.large = i .. ("y"):rep(MB / 2) end end)
    assert.equal(0, account:stats().refused)
    assert.equal(125, #held)
    owner:close()
  end)

  it("is for all that an account holds, a little more at each call", function()
    local account, owner = open({ memory_limit = 8 * MB })
    local kept, calls, ok, message = {}, 0, true, nil
    while ok and calls < 200 do
      calls = calls + 1
      ok, message = owner:spawn(function() kept[#kept + 1] = ("x"):rep(1e5) .. #kept end):join()
    end
    assert.matches(REFUSED .. "8", message, nil, true)
    assert.is_true(calls > 75 and calls < 90, calls)
    assert.is_false((owner:spawn(function() return {} end):join()))
    kept = nil -- luacheck: ignore 311
    collectgarbage()
    assert.is_true((owner:spawn(function() return {} end):join()))
    assert.equal(2, account:stats().refused)
    owner:close()
  end)

  it("is for what is received, which the one who sends is not charged", function()
    local listener = assert(tcp.listen({ host = "127.0.0.1", port = 0 }))
    local _, port = listener:address()
    local sender_account, sender_scope = open({ label = "sender", memory_limit = 4 * MB })
    sender_scope:spawn(function()
      local stream, count = assert(listener:accept()), 0
      repeat count = count + 1 until not stream:write(count .. ("x"):rep(MB / 2))
    end)
    local ok, message, account = run({ memory_limit = 16 * MB }, function()
      local stream, kept = assert(tcp.connect({ host = "127.0.0.1", port = port })), {}
      while true do kept[#kept + 1] = stream:read(2 * MB) end
    end)
    assert.is_false(ok)
    assert.matches(REFUSED, message, nil, true)
    assert.is_true(account:stats().refused >= 1)
    assert.equal(0, sender_account:stats().refused)
    sender_scope:close()
    listener:close()
  end)

  it("can be changed while tasks run", function()
    local account, owner = open({ memory_limit = 4 * MB })
    local function take() return #("x"):rep(20 * MB) end
    assert.is_false((owner:spawn(take):join()))
    account:limit({ memory_limit = 64 * MB })
    assert.is_true((owner:spawn(take):join()))
    collectgarbage()
    account:limit({ memory_limit = 4 * MB })
    assert.is_false((owner:spawn(take):join()))
    account:limit({})
    assert.is_true((owner:spawn(take):join()))
    owner:close()
  end)

  it("is survived a hundred times over", function()
    local names = { "many strings", "a string that grows", "one huge string", "what pcall catches each time" }
    for i = 1, 100 do
      local ok, message = run({ memory_limit = 4 * MB }, bombs[names[i % #names + 1]])
      assert.is_false(ok)
      assert.matches(REFUSED, message, nil, true)
    end
  end)
end)
