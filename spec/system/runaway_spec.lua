-- SPDX-License-Identifier: MIT
-- Code of the user's that never ends or takes all memory, in a process whose other cluster and whose timers go on.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local crypto = require("engine.crypto")
local tcp = require("engine.tcp")
local task = require("engine.task")
local timer = require("engine.timer")
local usage = require("support.usage")

local BUDGET = 0.2 -- seconds

-- The second cluster polls ten times a second and has a timer of 100 ms; both are said to be late or not. Time in which the
-- process did not run, for others wanted the CPU, is nobody's fault.
local CONFIG = [[
local timer = require("engine.timer")
local worst, polls = 0, 0
local neighbour = {}
function neighbour.serve(self)
  local last, cpu = timer.now(), os.clock()
  while true do
    require("engine.task").sleep(0.1)
    worst = math.max(worst, math.min(timer.now() - last - 0.1, os.clock() - cpu))
    last, cpu = timer.now(), os.clock()
  end
end
function neighbour.poll()
  polls = polls + 1
  if polls %% 10 == 0 then
    print(("neighbour: %%d polls, late by %%.3f s"):format(polls, worst))
    worst = 0
  end
  return { "a@h" }
end
return {
  name = "me@127.0.0.1", connect = "none", sync_offset = 0, log_results = false,
  clusters = {
    bad = { via = "bad", interval = 0.5, budget = %g, memory_limit = "16 MB", %s },
    good = { via = neighbour, interval = 0.1 },
  },
}
]]

describe("beside a neighbour, in a process that goes on,", function()
  local folder, daemon

  before_each(function() folder = Folder.new() end)
  after_each(function()
    if daemon then
      local ended = daemon:stop()
      daemon = nil
      assert.equal(0, ended.code)
    end
    folder:remove()
  end)

  local function start(provider, more)
    folder:write("bad.lua", "local M = {}\n" .. provider .. "\nreturn M\n")
    folder:write("config.lua", CONFIG:format(BUDGET, more or ""))
    daemon = Daemon.start({ folder.path .. "/config.lua" })
  end

  -- Twenty more polls of the neighbour, none of whose waits was longer than `most` seconds too long.
  local function await_neighbour(most)
    for _ = 1, 2 do
      local line = daemon:expect("neighbour: ")
      if tonumber(line:match("late by ([%d.]+) s")) > most then error(line, 2) end
    end
  end

  local function takes_less_than(megabytes)
    local memory = usage.of(daemon.process.pid).memory / 1024
    assert.is_true(Daemon.is_sanitized() or memory < megabytes, memory .. " MB")
  end

  local function goes_on_beside(text)
    daemon:expect(text)
    await_neighbour(BUDGET + 0.3)
    assert.is_false(daemon:has_said("in a row"), "so late that it was not polled any more")
  end

  local HELD = "bad: provider bad held the engine for 0."

  for what, body in pairs({
    ["loops"] = "while true do end",
    ["loops under pcall in a loop"] = "while true do pcall(function() while true do end end) end",
    ["loops in nested coroutines"] = [[
      local function nest(depth)
        if depth == 0 then while true do end end
        return coroutine.wrap(function() pcall(nest, depth - 1) end)()
      end
      while true do nest(20) end]],
    ["loops in code that it loads"] = 'while true do pcall(assert(load("while true do end"))) end',
    ["loops in the handler of xpcall"] = "while true do xpcall(error, function() while true do end end) end",
    ["loops in a metamethod"] = "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
  }) do
    it("a provider that " .. what .. " is interrupted, and told what to change", function()
      start("function M.poll() " .. body .. " end")
      goes_on_beside(HELD)
      assert.is_true(daemon:has_said("see budget"))
    end)
  end

  it("a provider whose file loops is refused", function()
    folder:write("config.lua", "return { via = 'bad', connect = 'none', budget = 0.2 }")
    folder:write("bad.lua", "while true do end")
    daemon = Daemon.start({ folder.path .. "/config.lua" })
    daemon:expect("provider bad held the engine for 0.")
    local ended = daemon:wait()
    daemon = nil
    assert.equal(78, ended.code)
  end)

  it("a config that loops, in its file or in a deferred value, is refused", function()
    for _, text in ipairs({ "while true do end", "return { via = apply(function() while true do end end) }" }) do
      folder:write("config.lua", text)
      local looping = Daemon.start({ folder.path .. "/config.lua" })
      looping:expect("config held the engine for 1.")
      assert.equal(78, looping:wait().code)
    end
  end)

  it("a hook that loops is interrupted, time after time", function()
    start("function M.poll(self) self.n = (self.n or 0) + 1 return { 'n' .. self.n .. '@h' } end",
      "on_change = function() while true do end end")
    daemon:expect("on_change() failed: bad: hook held the engine for 0.")
    daemon:signal("USR1")
    daemon:expect("bad: hook: over budget: ")
    await_neighbour(4 * BUDGET) -- there are two of it to ten polls at least
  end)

  it("a connector that loops is interrupted, and its nodes are not live", function()
    folder:write("looping.lua", "return { connect = function() while true do end end }")
    start("function M.poll() return { 'a@h' } end", "connect = 'looping', log_results = true")
    daemon:expect("connect() failed: bad: connector looping held the engine for 0.")
    daemon:expect("false (bad: connector looping held the engine for 0.")
  end)

  it("a connector that leaks at each attempt starts afresh, and goes on connecting", function()
    folder:write("leaking.lua", [[
      local kept = {}
      return {
        connect = function()
          for i = 1, 3000 do kept[#kept + 1] = ("x"):rep(1000) .. math.random() end
          return true
        end,
        nodes = function() return {} end,
      }]])
    start("function M.poll() return { 'a@h' } end", "interval = 0.1, connect = 'leaking', on_up = function() print('up') end")
    daemon:expect("connect() failed: not enough memory")
    for _ = 1, 2 do
      daemon:expect("connector leaking] it let go of its memory and starts afresh in")
      daemon:expect("hook] up")
    end
    await_neighbour(0.3)
    takes_less_than(64)
    daemon:signal("USR1")
    daemon:expect("bad: connector leaking: restarts: ")
  end)

  for what, body in pairs({
    ["builds a huge table"] = "local t = {} while true do t[#t + 1] = {} end",
    ["builds a huge string"] = "local s = 'x' while true do s = s .. s end",
    ["builds one in a single call"] = "return { ('x'):rep(2 ^ 30) }",
    ["does so under pcall in a loop"] = "while true do pcall(function() local t = {} while true do t[#t + 1] = {} end end) end",
  }) do
    it("a provider that " .. what .. " gets the error itself, and the memory comes back", function()
      start("function M.poll() " .. body .. " end")
      daemon:expect("poll(): not enough memory")
      daemon:expect("starts afresh")
      await_neighbour(0.3)
      takes_less_than(48)
    end)
  end

  it("a provider that keeps a little more at each poll starts afresh, again and again, and its nodes stay", function()
    start([[
      local kept = {}
      function M.poll(self)
        for i = 1, 3000 do kept[#kept + 1] = ("x"):rep(1000) .. math.random() end
        return { "a@h" }
      end]], "interval = 0.1, on_down = function() print('lost') end")
    daemon:expect("starts afresh")
    daemon:expect("starts afresh")
    await_neighbour(0.3)
    takes_less_than(64)
    assert.is_false(daemon:has_said("lost"))
    daemon:signal("USR1")
    assert.is_truthy(daemon:expect("bad: provider bad: out of memory: "))
  end)

  it("one that keeps what it receives starts afresh, and its nodes stay", function()
    local path = folder.path .. "/socket"
    local listener = assert(tcp.listen({ path = path }))
    local sender = task.spawn(function()
      while true do
        local stream = listener:accept()
        task.spawn(function() repeat until not stream:write(crypto.random(65536)) end) -- equal strings would be one
      end
    end)
    start(([[
      function M.serve(self)
        local stream = assert(require("engine.tcp").connect({ path = %q }))
        self.kept = {}
        for data in function() return stream:read() end do self.kept[#self.kept + 1] = data end
      end
      function M.poll() return { "a@h" } end]]):format(path), "on_down = function() print('lost') end")
    daemon:expect("not enough memory") -- in serve(), or in the poll that comes when that waits
    daemon:expect("starts afresh")
    await_neighbour(0.3)
    assert.is_false(daemon:has_said("lost"))
    assert.equal(0, daemon:stop().code)
    daemon = nil
    sender:cancel()
    listener:close()
  end)

  it("one that holds much and makes much garbage, within its limit, is left alone", function()
    start([[
      local kept = {}
      for i = 1, 6000 do kept[i] = ("x"):rep(2000) .. i end
      function M.poll()
        for i = 1, 2000 do local _ = ("y"):rep(1000) .. i .. math.random() end
        return { "a@h" }
      end]], "interval = 0.1")
    for _ = 1, 3 do await_neighbour(0.1) end
    assert.is_false(daemon:has_said("not enough memory"))
  end)

  it("a provider that fails ten times in a row is said to, once, and asked no more for a minute", function()
    start("function M.poll(self) print('asked') error('boom') end", "interval = 0.1")
    daemon:expect("it failed 10 times in a row: it is polled every 60 s until it succeeds")
    await_neighbour(0.3)
    await_neighbour(0.3)
    local asked = 0
    for _, line in ipairs(daemon.log) do if line:find("asked", 1, true) then asked = asked + 1 end end
    assert.equal(10, asked)
    daemon:signal("USR1")
    daemon:expect("failing: the last 10 polls failed, it is polled every 60 s")
  end)
end)

describe("one call of a provider's that cannot be interrupted", function()
  it("ends the process after ten budgets, and says who it was", function()
    local folder = Folder.new()
    folder:write("config.lua", [[return { connect = "none", sync_offset = 0, budget = 0.1,
      via = function() return { (("a"):rep(40000):find((".-"):rep(12) .. "b")) } end }]])
    local daemon = Daemon.start({ folder.path .. "/config.lua" })
    local started = timer.now()
    daemon:expect("provider function")
    local ended = daemon:wait()
    folder:remove()
    assert.equal(70, ended.code)
    assert.is_true(daemon:has_said("the process ends"))
    assert(timer.now() - started >= 0.9)
  end)
end)
