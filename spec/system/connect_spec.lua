-- SPDX-License-Identifier: MIT
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local task = require("engine.task")
local tcp = require("engine.tcp")

local MOST_TO_STOP_AT_ONCE = Daemon.is_sanitized() and 0.9 or 0.5 -- seconds

local HOOKS = [[
  on_up = function(node) print("up: " .. node.name) end,
  on_down = function(node, reason) print("down: " .. node.name .. " (" .. reason .. ")") end,
]]

describe("connecting", function()
  local folder, daemon, listener, streams, accepting

  local function listen(port)
    listener = assert(tcp.listen({ host = "127.0.0.1", port = port or 0 }))
    streams = {}
    accepting = task.spawn(function()
      for stream in function() return listener:accept() end do streams[#streams + 1] = stream end
    end)
    return select(2, listener:address())
  end

  local function hang_up()
    accepting:cancel()
    listener:close()
    for _, stream in ipairs(streams) do stream:close() end
  end

  local function start(text, ...)
    folder:write("config.lua", text:gsub("HOOKS", function() return HOOKS end) .. "")
    daemon = Daemon.start({ folder.path .. "/config.lua", ... })
  end

  before_each(function() folder = Folder.new() end)

  after_each(function()
    if daemon then assert.are.same({ code = 0 }, daemon:stop()) end
    daemon = nil
    if listener then hang_up() end
    listener = nil
    folder:remove()
  end)

  it("by tcp shows who is live, who is not and why, and follows both", function()
    local port = listen()
    start(([[return { via = "list", sync_offset = 0, interval = 0.2, name = "me@127.0.0.1",
      node_list = { "me@127.0.0.1", { name = "app@127.0.0.1", port = %d }, { name = "dead@127.0.0.1", port = 1 } },
      connect = "tcp", HOOKS }]]):format(port))
    daemon:expect("up: app@127.0.0.1")
    daemon:expect("RESULT OF ATTEMPT")
    daemon:expect("app@127.0.0.1       true")
    daemon:expect("dead@127.0.0.1      false (connection refused)")
    daemon:expect("me@127.0.0.1        true")
    daemon:expect("LIVE NODES")
    daemon:expect("me@127.0.0.1 (self)")
    hang_up()
    listener = nil
    daemon:expect("down: app@127.0.0.1")
    listen(port)
    daemon:expect("up: app@127.0.0.1")
    assert.is_false(daemon:has_said("up: me@"))
    assert.is_false(daemon:has_said("up: dead@"))
  end)

  it("never holds up a poll", function()
    start([[local task = require("engine.task")
      return { sync_offset = 0, interval = 0.1, connect_timeout = 30,
        via = function() print("poll") return { "slow@a" } end,
        connect = function() task.sleep(20) return true end }]])
    for _ = 1, 10 do daemon:expect("poll", 10) end
  end)

  it("by a function asks at each poll, and the last answer is live", function()
    folder:write("up", "")
    start(([[local fs = require("engine.fs")
      return { via = "list", node_list = { "a@b" }, sync_offset = 0, interval = 0.1,
        connect = function(node)
          if fs.stat("%s/up") then return true end
          return false, "no file"
        end, HOOKS }]]):format(folder.path))
    daemon:expect("up: a@b")
    folder:sh("rm up")
    daemon:expect("down: a@b (no file)")
    folder:write("up", "")
    daemon:expect("up: a@b")
  end)

  it("shortens a timeout of an attempt to a reason", function()
    start([[local task = require("engine.task")
      return { via = "list", node_list = { "a@b" }, sync_offset = 0, connect_timeout = 0.1,
        connect = function() task.sleep(20) end }]])
    assert.is_truthy(daemon:expect("a@b"):find("false (timed out after 0.1 s)", 1, true))
  end)

  it("disconnects with prune who was missing from the last polls, but not the last one", function()
    folder:write("homies.lua", 'return { poll = function() return { "a@b", "c@d" } end }')
    folder:write("links.lua", [[local live = {}
      return {
        connect = function(_, node) live[node.name] = true return true end,
        disconnect = function(_, node) print("disconnected: " .. node.name) live[node.name] = nil end,
        nodes = function() local names = {} for name in pairs(live) do names[#names + 1] = name end return names end,
      }]])
    start([[return { via = "homies", connect = "links", sync_offset = 0, interval = 0.1, prune = true, prune_after = 2, HOOKS }]])
    daemon:expect("up: c@d")
    folder:write("homies.lua", "return { poll = function() return {} end }")
    daemon:expect("disconnected: ")
    task.sleep(0.6)
    local count = 0
    for _, line in ipairs(daemon.log) do count = count + (line:find("disconnected: ", 1, true) and 1 or 0) end
    assert.are.equal(1, count)
  end)

  it("is explained at SIGUSR1: who found a node and when, attempts, the last error, the next try", function()
    start([[return { via = "list", node_list = { { name = "dead@127.0.0.1", port = 1 } }, connect = "tcp", sync_offset = 0 }]])
    daemon:expect("LIVE NODES")
    daemon:signal("USR1")
    daemon:expect("cluster default: provider list, connector tcp, 1 found, 0 live")
    local line = daemon:expect("dead@127.0.0.1 port 1: found by list")
    for _, word in ipairs({ "not live", "1 attempt", "last error: connection refused", "next try in" }) do
      assert.is_truthy(line:find(word, 1, true), line)
    end
  end)

  it("runs several clusters side by side", function()
    start([[return { interval = 0.1, sync_offset = 0, clusters = {
      web = { via = function() return { "web@a" } end, on_change = function(nodes) print("web: " .. #nodes) end },
      cache = { via = function() error("boom") end, on_change = function(nodes) print("cache: " .. #nodes) end } } }]])
    daemon:expect("web: 1")
    daemon:expect("boom")
    assert.is_false(daemon:has_said("cache: 1"))
  end)
end)

describe("a signal", function()
  local folder, daemon

  before_each(function() folder = Folder.new() end)
  after_each(function() folder:remove() end)

  local function start(text)
    folder:write("config.lua", text)
    daemon = Daemon.start({ folder.path .. "/config.lua" })
  end

  it("that comes while the config is loaded ends nothing but by SIGTERM", function()
    start([[print("loading") require("engine.task").sleep(2) return { via = "self", sync_offset = 0 }]])
    daemon:expect("loading")
    daemon:signal("HUP")
    daemon:signal("USR1")
    daemon:expect("starting: the config is being loaded")
    daemon:expect("LIVE NODES")
    assert.are.same({ code = 0 }, daemon:stop())
    start([[print("loading") require("engine.task").sleep(5) return { via = "self" }]])
    daemon:expect("loading")
    daemon:signal("TERM")
    assert.are.same({ code = 0 }, daemon:wait())
  end)

  it("SIGINT that comes again ends it at once", function()
    start([[return { sync_offset = 0, via = { poll = function() return {} end,
      stop = function() print("stopping") require("engine.task").sleep(60) end } }]])
    daemon:expect("LIVE NODES")
    daemon:signal("INT")
    daemon:expect("stopping")
    local ended, took = daemon:timed_stop("INT")
    assert.are.same({ code = 1 }, ended)
    assert(took < MOST_TO_STOP_AT_ONCE, ("it took %.2f s"):format(took))
  end)

  it("SIGHUP during a reload is no harm, and the last text counts", function()
    start([[return { sync_offset = 0, interval = 60, via = function() return {} end }]])
    daemon:expect("LIVE NODES")
    folder:write("config.lua", [[print("reloading") require("engine.task").sleep(0.3)
      return { sync_offset = 0, interval = 60, via = function() return { "second@a" } end }]])
    daemon:expect("reloading")
    daemon:signal("HUP")
    folder:write("config.lua", [[return { sync_offset = 0, interval = 60, via = function() return { "third@a" } end }]])
    daemon:signal("HUP")
    daemon:expect("third@a")
    assert.are.same({ code = 0 }, daemon:stop())
  end)
end)

describe("a clean stop", function()
  it("comes soon in the middle of a poll, with exit status 0", function()
    local folder = Folder.new()
    folder:write("config.lua", [[local task = require("engine.task")
      return { via = function() print("polling") task.sleep(60) return {} end, timeout = 60, sync_offset = 0 }]])
    for _, signal in ipairs({ "TERM", "INT" }) do
      local daemon = Daemon.start({ folder.path .. "/config.lua" })
      daemon:expect("polling")
      daemon:signal(signal)
      assert.are.same({ code = 0 }, daemon:wait(10))
    end
    folder:remove()
  end)
end)
