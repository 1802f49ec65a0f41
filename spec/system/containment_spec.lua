-- SPDX-License-Identifier: MIT
-- One provider breaks all it can reach; another in the same process, and the process, go on as if it were not there.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local eventually = require("support.eventually")
local process = require("engine.process")
local usage = require("support.usage")

-- Each is tried by a provider of its own that is polled first, after which the victim must still do all of VICTIM.
local VICTIM = [[
  local crypto, node = require("engine.crypto"), require("peerage.node")
  local log, process, task = require("engine.log"), require("engine.process"), require("engine.task")
  local tcp, udp = require("engine.tcp"), require("engine.udp")
  local M = {}
  function M.poll(self)
    assert(("ab"):rep(2) == "abab" and string.format("%d", 3) == "3")
    assert(#table.concat({ "a", "b" }) == 2 and math.max(1, 2) == 2 and bit.band(3, 2) == 2)
    assert(io.open("/dev/null"):close() and os.time() > 0 and io.output() == io.stdout and io.input() == io.stdin)
    assert(#crypto.sha256("x") == 32 and node.split("a@h") == "a" and type(log.info) == "function")
    local socket = assert(udp.open({ host = "127.0.0.1" }))
    assert(socket:send("x", "127.0.0.1", select(2, socket:address())) and socket:receive() == "x")
    local listener = assert(tcp.listen({ host = "127.0.0.1", port = 0 }))
    local client = assert(tcp.connect({ host = "127.0.0.1", port = select(2, listener:address()) }))
    assert(listener:accept():write("y") and client:read() == "y")
    assert(process.run({ "true" }).code == 0 and task.spawn(function() return 5 end):wait() == 5)
    assert(require("cjson").encode({ a = { 1 } }) == '{"a":[1]}' and io.open("/dev/null"):read() == nil)
    local before = collectgarbage("count")
    for i = 1, 5000 do local _ = ("x"):rep(1e4) .. i end
    assert(collectgarbage("count") < before + 15000, "the collector stands still")
    return { "whole@h" }
  end
  return M
]]

local ATTACKS = {
  ["the libraries"] = [[
    string.rep, string.format, table.concat, table.insert, math.max, bit.band, io.open, os.time = nil
    for _, library in pairs({ string, table, math, bit, io, os, coroutine }) do
      for name in pairs(library) do library[name] = nil end
    end]],
  ["the globals"] = [[ for name in next, _G do if name ~= "_G" and name ~= "next" then _G[name] = nil end end ]],
  ["the methods of strings"] = [[
    pcall(function() getmetatable("").__index.rep = nil end)
    pcall(function() getmetatable("").__index = nil end)
    pcall(setmetatable, "", {})]],
  ["the methods of files"] = [[
    local file = io.open("/dev/null")
    pcall(function() file.__index.read = function() error("broken") end end)
    pcall(function() file.__index = nil end)]],
  ["the settings of JSON"] = [[ for _, name in pairs({ "cjson", "cjson.safe" }) do require(name).encode_max_depth(1) end ]],
  ["the collector"] = [[
    for _, option in pairs({ "stop", "setpause", "setstepmul" }) do pcall(collectgarbage, option, 100000) end]],
  ["the process"] = [[ pcall(function() os.exit(3) end) pcall(function() require("engine.process").exit_now(3) end) ]],
  ["the standard files"] = [[
    for _, file in pairs({ io.stdin, io.stdout, io.stderr }) do pcall(file.close, file) end
    pcall(io.close) io.output("/dev/null") io.input("/dev/null")]],
  ["what it requires"] = [[
    for _, name in pairs({ "peerage.cluster", "peerage.registry", "peerage.loader", "peerage.instance", "peerage.hooks",
      "peerage.dialer", "peerage.erlang.etf", "peerage.node", "engine.udp", "engine.tcp", "engine.task", "engine.scope",
      "engine.crypto", "engine.log", "engine.process", "engine.timer", "cjson" }) do
      local function empty(it, seen)
        if type(it) ~= "table" or seen[it] then return end
        seen[it] = true
        empty(getmetatable(it), seen)
        for key, value in pairs(it) do
          empty(value, seen)
          it[key] = nil
        end
      end
      local is_open, module = pcall(require, name)
      if is_open then empty(module, {}) end
    end]],
  ["the classes of objects that it makes"] = [[
    pcall(function() require("peerage.registry").new().__index.update = nil end)
    local listener = require("engine.tcp").listen({ host = "127.0.0.1", port = 0 })
    for _, object in pairs({ listener, require("engine.process").start({ "true" }), require("engine.fs").watch("/"),
      require("engine.tcp").connect({ host = "127.0.0.1", port = select(2, listener:address()) }) }) do
      pcall(function() for name in pairs(object.__index) do object.__index[name] = nil end end)
    end
    for _, object in pairs({ require("engine.udp").open(),
      require("engine.task").queue(), require("engine.tcp").listen({ host = "127.0.0.1", port = 0 }), self, self.scope, self.log,
      require("engine.timer").after(9, print) }) do
      pcall(function() for name in pairs(getmetatable(object)) do getmetatable(object)[name] = nil end end)
      pcall(function() for name in pairs(getmetatable(object).__index) do getmetatable(object).__index[name] = nil end end)
      pcall(function() for name in pairs(object) do object[name] = nil end end)
    end]],
  ["the C halves"] = [[
    for _, name in pairs({ "engine.udp.core", "engine.task.core", "engine.scope.core", "engine.log.core" }) do
      pcall(function() for key in pairs(require(name).methods) do require(name).methods[key] = nil end end)
      pcall(function() require(name).listen(print) end)
    end]],
  ["the log"] = [[
    local log = require("engine.log")
    pcall(function() log.level("error") end) pcall(function() log.capture(function() end) end)]],
  ["its scope"] = [[ self.scope:close() ]],
}

local folder, daemon

local function each_has_a_folder()
  before_each(function() folder = Folder.new() end)
  after_each(function()
    if daemon then daemon:stop() end
    daemon = nil
    folder:remove()
  end)
end

describe("a provider that breaks", function()
  each_has_a_folder()

  local CONFIG = [[
    return {
      name = "me@127.0.0.1", connect = "none", interval = 0.1, sync_offset = 0,
      clusters = {
        breaker = { via = "breaker", log_results = false },
        victim = { via = "victim", sync_offset = 100,
          on_change = function(nodes) print("victim: " .. nodes[1].name) end },
      },
    }]]

  local function start(attack)
    local text = "return { poll = function(self)\nlocal print = print\n%s\nprint('broken')\nreturn {} end }"
    folder:write("breaker.lua", text:format(attack))
    folder:write("victim.lua", VICTIM)
    daemon = Daemon.start({ folder:write("config.lua", CONFIG) })
  end

  for what, attack in pairs(ATTACKS) do
    it(what .. " breaks them for itself only", function()
      start(attack)
      if what ~= "its scope" then daemon:expect("broken") end
      daemon:expect("victim: whole@h")
      folder:write("victim.lua", (VICTIM:gsub("whole@h\" }", "again@h\" }"))) -- the engine loads, calls and prints as before
      daemon:expect("victim: again@h")
      daemon:signal("USR1")
      daemon:expect("cluster victim")
      for _, line in ipairs(daemon.log) do
        assert.is_nil(line:find("error [victim", 1, true), line)
        assert.is_nil(line:find("error [engine", 1, true), line)
      end
      local ended = daemon:stop()
      daemon = nil
      assert.equal(0, ended.code)
    end)
  end
end)

describe("a provider that takes all there is", function()
  if not process.run({ "prlimit", "--version" }) then return pending("prlimit is missing") end

  local LEAST = 50 -- what it takes is more than this, and more than what others come to meanwhile
  each_has_a_folder()

  local CONFIG = [[
    return {
      name = "me@127.0.0.1", connect = "none", sync_offset = 0,
      clusters = {
        glutton = { via = "glutton", log_results = false, interval = 0.1, timeout = 3, budget = 1, sync_offset = 500 },
        victim = { via = "victim", log_results = false, interval = 0.1 },
      },
    }]]

  -- It eats in its second poll only, after the limit was lowered, and keeps what it got where it is not collected.
  local GLUTTON = [[
    local files, task, udp = require("engine.fs"), require("engine.task"), require("engine.udp")
    local taken = {}
    local function eat_descriptors()
      repeat
        local socket = udp.open()
        taken[#taken + 1] = socket
      until not socket
      print("taken: " .. #taken)
    end
    local function eat_tasks()
      for i = 1, 50000 do taken[i] = task.spawn(task.sleep, 1e6) end
      print("taken: " .. #taken)
    end
    return { poll = function()
      if not files.stat("hungry") or taken[1] then return {} end
      %s
    end }]]

  local WITNESS = [[
    local udp, task = require("engine.udp"), require("engine.task")
    return { poll = function()
      local socket, message, code = udp.open()
      if not socket then print("victim: " .. code) return nil, message end
      print("victim: well, tasks: " .. task.stats())
      return {}
    end }]]

  local function feed(meal)
    folder:write("glutton.lua", GLUTTON:format(meal))
    folder:write("victim.lua", WITNESS)
    daemon = Daemon.start({ folder:write("config.lua", CONFIG) }, { cwd = folder.path })
    local tasks = tonumber(daemon:expect("victim: well"):match("tasks: (%d+)"))
    local pid = daemon.process.pid
    local before = usage.of(pid).descriptors
    assert.equal(0, process.run({ "prlimit", "--pid", tostring(pid), "--nofile=100:100" }).code)
    folder:write("hungry", "")
    assert.is_true(tonumber(daemon:expect("taken: "):match("taken: (%d+)")) > LEAST)
    return { pid = pid, descriptors = before, tasks = tasks, first = daemon.matched["taken: "] }
  end

  -- As the witness says after line `first` of the log.
  local function tasks_at_last(first)
    for i = #daemon.log, first, -1 do
      local tasks = daemon.log[i]:match("victim: well, tasks: (%d+)")
      if tasks then return tonumber(tasks) end
    end
    return math.huge
  end

  local function expect_given_back(before)
    eventually(function()
      return usage.of(before.pid).descriptors <= before.descriptors + 2 and tasks_at_last(before.first) < before.tasks + LEAST
    end)
  end

  for what, meal in pairs({
    ["when its poll returns"] = "eat_descriptors() return {}",
    ["when its poll raises"] = "eat_descriptors() error('full')",
  }) do
    it("gives the descriptors back " .. what, function() expect_given_back(feed(meal)) end)
  end

  it("gives the descriptors back when its poll times out, and the others go without until then", function()
    local before = feed("eat_descriptors() task.sleep(1e6)")
    daemon:expect("victim: EMFILE")
    expect_given_back(before)
    assert.is_true(daemon:has_said("timed out after 3 s"))
  end)

  it("leaves descriptors to the others while it keeps files open", function()
    local before = feed("repeat local file = io.open('/dev/null') taken[#taken + 1] = file until not file " ..
      "print('taken: ' .. #taken) return {}")
    eventually(function() return tasks_at_last(before.first) < math.huge end)
    assert.is_falsy(daemon:has_said("victim: EMFILE"))
  end)

  for what, meal in pairs({
    ["when its poll returns"] = "eat_tasks() return {}",
    ["when its poll times out"] = "eat_tasks() task.sleep(1e6)",
  }) do
    it("gives the tasks back " .. what, function() expect_given_back(feed(meal)) end)
  end

  for what, meal in pairs({ descriptors = "eat_descriptors()", tasks = "eat_tasks()" }) do
    it("gives the " .. what .. " back when its poll is interrupted", function()
      local before = feed(meal .. " while true do end")
      daemon:expect("provider glutton held the engine for 1.")
      expect_given_back(before)
    end)
  end
end)
