-- SPDX-License-Identifier: MIT
-- What a service manager sees of the engine, and that the engine runs as confined as its unit wants it.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local Manager = require("support.service_manager")
local fs = require("engine.fs")
local process = require("engine.process")
local root = require("engine").root
local run = require("support.run_cli")
local task = require("engine.task")
local timer = require("engine.timer")

local CONFIG = [[
return {
  name = "me@127.0.0.1", via = "homies", connect = "none", sync_offset = 0, interval = 60, log_results = false,
  budget = 5,
}
]]

local function provider(body) return ("local M = {}\nfunction M.poll(self) %s end\nreturn M\n"):format(body) end

describe("a service manager", function()
  local folder, manager, daemon

  local function start(address, body, env)
    folder:write("homies.lua", provider(body))
    folder:write("config.lua", CONFIG)
    manager = Manager.start(address)
    env = env or {}
    env.NOTIFY_SOCKET = address
    daemon = Daemon.start({ folder.path .. "/config.lua" }, { env = env })
  end

  before_each(function() folder = Folder.new() end)

  after_each(function()
    if daemon then daemon.process:close() daemon.reader:cancel() end
    if manager then manager:stop() end
    daemon, manager = nil, nil
    folder:remove()
  end)

  it("hears when the engine is ready, what it has found, and when it stops", function()
    start(folder.path .. "/notify", 'return { "a@b", "c@d" }')
    manager:expect("^STATUS=starting$")
    manager:expect("^READY=1$")
    manager:expect("^STATUS=2 found, 2 live$")
    assert.equal(0, daemon:stop().code)
    manager:expect("^STOPPING=1")
    daemon = nil
  end)

  it("may listen on a name that is no file", function()
    start("@peerage-spec-" .. folder.path:match("[^-]*$"), "return {}")
    manager:expect("^READY=1$")
    manager:expect("^STATUS=0 found, 0 live$")
  end)

  it("hears of a reload that was asked for, changed or not, by the monotonic clock, and when it is over", function()
    start(folder.path .. "/notify", 'return { "a@b" }')
    manager:expect("^READY=1$")
    manager:expect("^STATUS=1 found")
    for _ = 1, 2 do
      local before = timer.now()
      daemon:signal("HUP")
      local stamp = tonumber(manager:expect("^RELOADING=1"):match("^RELOADING=1\\nMONOTONIC_USEC=(%d+)$")) / 1e6
      assert.is_true(before - 0.001 <= stamp and stamp <= timer.now(), stamp)
      manager:expect("^READY=1$")
    end
    folder:write("homies.lua", provider("return nil, 'away'"))
    manager:expect("^RELOADING=1")
    manager:expect("^READY=1$")
    folder:write("config.lua", "return {")
    manager:expect("^RELOADING=1")
    manager:expect("^READY=1$")
  end)

  it("has its watchdog fed at half of its time, and not while the loop stands still", function()
    start(folder.path .. "/notify", [[
      if self.state.once then return {} end
      self.state.once = true
      self.scope:spawn(function()
        require("engine.task").sleep(3)
        require("engine.log").info("stuck")
        local stop = os.clock() + 1.2
        while os.clock() < stop do end
        require("engine.log").info("free")
      end)
      return {}
    ]], { WATCHDOG_USEC = "400000" })
    manager:expect("^READY=1$")
    local ready_at = timer.now()
    daemon:expect("stuck")
    local before, took = manager:count("^WATCHDOG=1$"), timer.now() - ready_at
    assert(before >= 9 and before <= took / 0.2 + 3, ("%d times in %g s"):format(before, took))
    daemon:expect("free")
    assert(manager:count("^WATCHDOG=1$") <= before + 2, "fed while it was stuck")
    manager:expect("^WATCHDOG=1$")
  end)

  it("does not have a watchdog fed that is another process's", function()
    start(folder.path .. "/notify", "return {}", { WATCHDOG_USEC = "100000", WATCHDOG_PID = "1" })
    manager:expect("^STATUS=0 found")
    task.sleep(0.2)
    assert.equal(0, manager:count("WATCHDOG"))
  end)

  it("is not told anything by the engine's children", function()
    start(folder.path .. "/notify", [[
      local shown = require("engine.process").run({ "env" }).stdout
      require("engine.log").info(shown:find("HOME=") and (shown:match("NOTIFY_%w+") or shown:match("WATCHDOG_%w+")) or "neither")
      return {}
    ]], { WATCHDOG_USEC = "60000000" })
    daemon:expect("neither")
  end)

  it("that is busy is told later what it had no room for", function()
    local address = folder.path .. "/notify"
    manager = Manager.start(address)
    manager.process:kill("STOP")
    local fill = [[
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
try:
    while True: s.sendto(b"other", sys.argv[1])
except BlockingIOError: print("full")
]]
    assert.equal("full\n", assert(process.run({ "python3", "-c", fill, address })).stdout)
    folder:write("homies.lua", provider('self.log.info("polled") return { "a@b" }'))
    folder:write("config.lua", CONFIG)
    daemon = Daemon.start({ folder.path .. "/config.lua" }, { env = { NOTIFY_SOCKET = address } })
    daemon:expect("polled")
    manager.process:kill("CONT")
    manager:expect("^STATUS=starting$")
    manager:expect("^READY=1$")
    manager:expect("^STATUS=1 found, 1 live$")
  end)

  it("that is gone stops nobody", function()
    start(folder.path .. "/notify", "return {}")
    manager:expect("^STATUS=0 found")
    manager:stop()
    daemon:signal("HUP")
    daemon:expect("cannot notify the service manager: connection refused")
    assert.equal(0, daemon:stop().code)
    daemon = nil
  end)

  it("is not there: nothing is said of it", function()
    local output = run({ "run", folder:write("script.lua", 'print(require("engine.process").notify("READY=1"))') }).stdout
    assert.equal("nil\tcannot notify the service manager: no such file or directory\tENOENT\n", output)
  end)
end)

-- What the unit asks of systemd, as far as it can be had without: no new privileges, no capabilities, and
-- MemoryDenyWriteExecute by PR_SET_MDWE (65), which exec(2) keeps.
local CONFINED = { "setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "python3", "-c", [[
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): print("no MDWE here", flush=True)
os.execvp(sys.argv[1], sys.argv[1:])
]] }

describe("the unit", function()
  local folder
  before_each(function() folder = Folder.new() end)
  after_each(function() folder:remove() end)

  it("is one that the engine can live with: no capabilities, no new privileges, no memory that is written and run", function()
    folder:write("homies.lua", provider([[
      local names = { (require("engine.process").run({ "echo", "child@a" }).stdout:gsub("%s", "")) }
      for _, found in ipairs(assert(require("engine.dns").addresses("localhost"))) do names[#names + 1] = "dns@" .. found.address end
      assert(require("engine.tcp").listen({ host = "127.0.0.1" }))
      assert(require("engine.net").interfaces())
      return names
    ]]))
    local daemon = Daemon.start({ folder:write("config.lua", (CONFIG:gsub("log_results = false,", ""))) },
      { under = CONFINED, env = { ASAN_OPTIONS = "detect_leaks=0" } })
    daemon:expect("child@a")
    daemon:expect("dns@127.0.0.1")
    local status = assert(fs.read(("/proc/%d/status"):format(daemon.process.pid)))
    assert.matches("NoNewPrivs:\t1", status)
    assert.matches("CapBnd:\t0000000000000000", status)
    assert.is_false(daemon:has_said("no MDWE here"))
    assert.equal(0, daemon:stop().code)
  end)

  for _, prefix in ipairs({ "/usr", "/usr/local" }) do
    it("is installed where systemd looks, and names the page installed beside it, below " .. prefix, function()
      local build = Daemon.binary():match("^(.*)/")
      local result = assert(process.run({ "cmake", "--install", build, "--prefix", prefix, env = { DESTDIR = folder.path } }))
      assert.equal(0, result.code, result.stderr)
      local unit = assert(fs.read(folder.path .. prefix .. "/lib/systemd/system/peerage-lua.service"))
      local template = assert(fs.read(root .. "/scripts/peerage-lua.service.in"))
      assert.equal(template:gsub("@CMAKE_INSTALL_PREFIX@", prefix) .. "", unit)
      assert.is_truthy(fs.stat(folder.path .. unit:match("\nDocumentation=file://(%S+)")))
      assert.is_truthy(fs.stat(folder.path .. prefix .. "/bin/" .. unit:match("\nExecStart=(%S+)")))
    end)
  end
end)
