-- SPDX-License-Identifier: MIT
-- The process among others: who reads its log, who stops it, what has run out, who sets the clock.
local Daemon = require("support.daemon")
local ErlangNode = require("support.erlang_node")
local Folder = require("support.folder")
local Netns = require("support.netns")
local eventually = require("support.eventually")
local fs = require("engine.fs")
local process = require("engine.process")
local task = require("engine.task")
local tcp = require("engine.tcp")
local usage = require("support.usage")

local MOST_TO_STOP = 2 -- seconds; under the sanitizers all is several times slower
local MOST_TO_STOP_AT_ONCE = 0.5
if Daemon.is_sanitized() then MOST_TO_STOP, MOST_TO_STOP_AT_ONCE = 3, 0.9 end

local folder, daemon

local function provider(body) return ("local M = {}\nfunction M.poll(self) %s end\nreturn M\n"):format(body) end

local function start(more, options)
  folder:write("config.lua", ([[
    return { name = "me@127.0.0.1", via = "homies", sync_offset = 0, interval = 0.1, timeout = 60, connect = "none", %s }
  ]]):format(more or ""))
  daemon = Daemon.start({ folder.path .. "/config.lua" }, options)
end

local function assert_stops()
  local ended, took = daemon:timed_stop()
  daemon = nil
  assert.are.same({ code = 0 }, ended)
  assert(took < MOST_TO_STOP, ("it took %.2f s"):format(took))
end

local function around()
  before_each(function() folder = Folder.new() end)
  after_each(function()
    if daemon then
      daemon.reader:cancel()
      daemon.process:close()
    end
    daemon = nil
    folder:remove()
  end)
end

describe("a log", function()
  around()

  -- It counts its polls in a file; its stderr is `redirection`, of which "$1/log" is a pipe that nobody reads.
  local function start_with(redirection)
    folder:write("homies.lua", provider(([[
      for i = 1, 50 do self.log.info(("x"):rep(1000)) end
      self.state.n = (self.state.n or 0) + 1
      assert(require("engine.fs").write("%s/polls", tostring(self.state.n)))
      return {}
    ]]):format(folder.path)))
    folder:sh("mkfifo log")
    folder:write("config.lua", 'return { via = "homies", connect = "none", sync_offset = 0, interval = 0.1 }')
    return assert(process.start({
      "bash", "-c", 'exec 3<>"$1/log"; exec "$2" "$1/config.lua" ' .. redirection, "bash", folder.path, Daemon.binary(),
    }))
  end

  local function await_polls(count)
    eventually(function() return tonumber(fs.read(folder.path .. "/polls") or 0) >= count end)
  end

  it("that nobody reads stops nothing; what it lacks is counted, and said when it is read again", function()
    local engine = start_with('2>"$1/log"')
    await_polls(10)
    local reader = assert(process.start({ "cat", folder.path .. "/log" }))
    local said = task.timeout(30, function()
      for line in reader:lines() do
        local count = line:match("warn  %[log%] (%d+) messages were lost in")
        if count then return tonumber(count) end
      end
    end)
    local polls = tonumber(fs.read(folder.path .. "/polls"))
    assert(said and said >= 400 and said <= 50 * (polls + 1), tostring(said))
    reader:close()
    engine:kill("TERM")
    assert.are.same({ code = 0 }, engine:wait())
    engine:close()
  end)

  it("whose reader has gone stops nothing", function()
    local engine = start_with("2> >(true) 3>&-")
    await_polls(10)
    engine:kill("TERM")
    assert.are.same({ code = 0 }, engine:wait())
    engine:close()
  end)
end)

describe("SIGTERM", function()
  around()

  it("ends it in the middle of a poll, of serve() and of a goodbye that takes for ever", function()
    folder:write("homies.lua", [[
      local task = require("engine.task")
      local M = {}
      function M.serve() task.sleep(1000) end
      function M.poll(self) self.log.info("polling") task.sleep(1000) return {} end
      function M.stop() task.sleep(1000) end
      return M
    ]])
    start("serves = true")
    daemon:expect("polling")
    assert_stops()
  end)

  it("that comes a second time does not wait for anything", function()
    folder:write("homies.lua", [[
      local M = {}
      function M.poll() return {} end
      function M.stop(self) self.log.info("stopping") require("engine.task").sleep(1000) end
      return M
    ]])
    start()
    daemon:expect("LIVE NODES")
    daemon:signal("TERM")
    daemon:expect("stopping")
    local ended, took = daemon:timed_stop()
    daemon = nil
    assert.equal(1, ended.code)
    assert(took < MOST_TO_STOP_AT_ONCE, ("it took %.2f s"):format(took))
  end)

  it("ends it in the middle of a handshake", function()
    local listener = assert(tcp.listen({ host = "127.0.0.1" }))
    local _, port = listener:address()
    folder:write("homies.lua", provider(('return { { name = "other@127.0.0.1", port = %d } }'):format(port)))
    start('connect = { "erlang", cookie = "secret", epmd = "off" }, connect_timeout = 60')
    local stream = assert(task.timeout(30, listener.accept, listener))
    assert(stream:read(3))
    assert_stops()
    stream:close()
    listener:close()
  end)

  local SLOW = [[
    local M = {}
    function M.share(options)
      require("engine.log").info("sharing " .. options.word)
      if options.word == "slow" then require("engine.task").sleep(1000) end
      return { close = function() require("engine.task").sleep(1000) end }
    end
    function M.connect() return true end
    function M.disconnect() end
    function M.nodes() return {} end
    M.options = { word = { type = "string" } }
    return M
  ]]

  it("ends it while a connector makes what its clusters share, and while all of it takes for ever to close", function()
    folder:write("slow.lua", SLOW)
    folder:write("homies.lua", [[
      local M = {}
      function M.poll() return {} end
      function M.stop() require("engine.task").sleep(1000) end
      return M
    ]])
    start('connect = { "./slow.lua", word = "slow" }')
    daemon:expect("sharing slow")
    assert_stops()
    start('connect = { "./slow.lua", word = "quick" }')
    daemon:expect("LIVE NODES")
    assert_stops()
  end)

  it("ends it in the middle of a reload", function()
    folder:write("slow.lua", SLOW)
    folder:write("homies.lua", provider("return {}"))
    start()
    daemon:expect("LIVE NODES")
    folder:write("config.lua", 'return { via = "homies", connect = { "./slow.lua", word = "slow" } }')
    daemon:signal("HUP")
    daemon:expect("sharing slow")
    assert_stops()
  end)

  -- As a network file system that is away: stat(2) of this path never returns.
  it("ends it while a file system does not answer", function()
    folder:write("away.c", [[
      #define _GNU_SOURCE
      #include <dlfcn.h>
      #include <string.h>
      #include <sys/stat.h>
      #include <unistd.h>
      int stat(const char *restrict path, struct stat *restrict found) {
        int (*real)(const char *, struct stat *) = (int (*)(const char *, struct stat *))dlsym(RTLD_NEXT, "stat");
        while (strstr(path, "/away")) pause();
        return real(path, found);
      }
    ]])
    folder:sh("cc -shared -fPIC -o away.so away.c")
    folder:write("homies.lua", provider('self.log.info("asking") require("engine.fs").stat("/away") return {}'))
    start(nil, { env = { LD_PRELOAD = folder.path .. "/away.so", ASAN_OPTIONS = "verify_asan_link_order=0" } })
    daemon:expect("asking")
    assert_stops()
  end)
end)

describe("when descriptors have run out", function()
  around()

  it("strangers give way to a node that comes, and the listener goes on", function()
    folder:write("homies.lua", provider("return {}"))
    start('connect = { "erlang", cookie = "secret", epmd = "off", listen = "127.0.0.1" }',
      { under = { "sh", "-c", 'ulimit -n 60; exec "$@"', "sh" } })
    local port = tonumber(daemon:expect("this is an Erlang node now"):match("port=(%d+)"))
    local strangers = {}
    for i = 1, 100 do strangers[i] = assert(tcp.connect({ host = "127.0.0.1", port = port })) end
    daemon:expect("too many open files")
    local node = assert(ErlangNode.start("spec@127.0.0.1"))
    local ok, message = node:connect("me@127.0.0.1", { port = port })
    assert.equal(nil, message)
    assert.is_true(ok)
    for _, stranger in ipairs(strangers) do stranger:close() end
    eventually(function() return usage.of(daemon.process.pid).descriptors < 40 end)
    node:close()
    assert_stops()
  end)
end)

describe("a jump of the wall clock", function()
  around()

  local function last_poll()
    for i = #daemon.log, 1, -1 do
      local number = daemon.log[i]:match("poll (%d+)")
      if number then return tonumber(number) end
    end
  end

  it("changes nothing but the stamps of announcements, which the log says", function()
    local library = folder:sh("ls /usr/lib/*/faketime/libfaketime.so.1 || true"):match("%S+")
    if not library then pending("libfaketime is not installed") end
    if not Netns.is_possible() then pending("network namespaces are not allowed here") end
    local network = Netns.new(1)
    finally(function() network:remove() end)
    folder:write("clock", "+0")
    folder:write("homies.lua", provider('self.n = (self.n or 0) + 1 self.log.info("poll " .. self.n) return {}'))
    folder:write("config.lua", [[
      return { name = "me@127.0.0.1", connect = "none", log_results = false, sync_offset = 0, clusters = {
        plain = { via = "homies", interval = 0.1 },
        group = { via = { "udp", secret = "sixteen bytes or more", announce = { 0.2, 0.3 } } },
      } }
    ]])
    daemon = Daemon.start({ folder.path .. "/config.lua" }, { namespace = network.hosts[1], env = {
      LD_PRELOAD = library, FAKETIME_TIMESTAMP_FILE = folder.path .. "/clock", FAKETIME_NO_CACHE = "1",
      FAKETIME_DONT_FAKE_MONOTONIC = "1", ASAN_OPTIONS = "verify_asan_link_order=0",
    } })
    daemon:expect("poll 3")
    for _, jump in ipairs({ { "+1d", "set forward by 86400 s" }, { "-1d", "set back by 172800 s" } }) do
      folder:write("clock", jump[1])
      daemon:expect(jump[2])
      daemon:expect("poll " .. last_poll() + 10)
    end
    assert_stops()
  end)
end)
