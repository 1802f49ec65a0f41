-- SPDX-License-Identifier: MIT
-- The unit in a real systemd: what that sees of the engine, and that the engine can do its work as confined as it is.
local Machine = require("support.machine")
local eventually = require("support.eventually")
local usage = require("support.usage")

-- Sanitizers have their leaks looked for by a tracer, which the unit forbids.
local UNTRACED = "Environment=ASAN_OPTIONS=detect_leaks=0\n"

local function config(more)
  return ([[
    return { name = "me@127.0.0.1", sync_offset = 0, interval = 0.2, log_results = false, %s }
  ]]):format(more)
end

local ALL = config([[
  connect = "none", clusters = {
    me = { via = "self" },
    names = { via = { "dns", dns_name = "localhost", app_name = "app" } },
    group = { via = { "udp", interface = "lo", secret = "0123456789abcdef" } },
    files = { via = "homies" },
    file = { via = { "file", path = "nodes.json", format = "json" } },
    exec = { via = { "exec", command = { "cat", "nodes.json" }, format = "json" } },
    http = { via = { "http", url = "http://127.0.0.1:8080/nodes.json" } },
    beam = { via = { "list", node_list = { "you@127.0.0.1" } }, connect = "erlang" },
  },
]])

local PROVIDER = [[
local fs, process = require("engine.fs"), require("engine.process")
local M = {}

local function tell(self, name, value, message)
  if self.state[name] then return end
  self.state[name] = true
  self.log.info(("%s: %s"):format(name, tostring(value or message)))
end

local WRITE_AND_RUN = "import mmap; mmap.mmap(-1, 4096, prot=7); print('possible')"

function M.poll(self)
  tell(self, "home", fs.write(os.getenv("HOME") .. "/kept", "text"))
  tell(self, "elsewhere", fs.write("/host/open/kept", "text"))
  tell(self, "write and run", process.run({ "sh", "-c", 'exec python3 -c "$1" 2>&1', "sh", WRITE_AND_RUN }).stdout:match("[^\n]*\n$"))
  tell(self, "namespace", process.run({ "sh", "-c", "unshare --user true 2>&1 && echo possible" }).stdout)
  return { "a@b", "c@d" }
end

return M
]]

describe("the unit", function()
  local machine, absence

  setup(function()
    machine, absence = Machine.boot()
  end)

  teardown(function()
    if machine then machine:remove() end
  end)

  before_each(function()
    if not machine then return end
    machine:drop_in(UNTRACED)
    machine:write("homies.lua", 'return { poll = function() return { "a@b", "c@d" } end }')
    machine:write("config.lua", config('via = "homies", connect = "none"'))
    machine:systemctl("reset-failed")
  end)

  after_each(function()
    if machine then machine:run("systemctl", "stop", "peerage-lua") end
  end)

  local function expect(property, value)
    local seen
    local ok = pcall(eventually, function()
      seen = machine:show(property)
      return seen == value
    end)
    if not ok then error(("%s: expected %q, found %q\n%s"):format(property, value, seen, machine:journal("-n", "40")), 2) end
  end

  local function the(sentence, body)
    it(sentence, function()
      if not machine then return pending("no systemd can be run here: " .. absence) end
      body()
    end)
  end

  the("is one that systemd finds no fault with, and hardly anything that it could hurt", function()
    local result = machine:run("systemd-analyze", "verify", "peerage-lua.service")
    assert.are.same({ code = 0, stdout = "", stderr = "" }, result)
    result = machine:run("systemd-analyze", "security", "--threshold=15", "peerage-lua.service") -- tenths, of 100
    assert.equal(0, result.code, result.stdout)
  end)

  the("starts the engine, whose state is shown; a reload is one, and a stop takes less than 2 s", function()
    machine:write("config.lua", config('via = "homies", connect = "none", reload = false'))
    machine:systemctl("start", "peerage-lua")
    assert.equal("running", machine:show("SubState"))
    expect("StatusText", "2 found, 2 live")
    local pid = machine:show("MainPID")
    machine:write("homies.lua", 'return { poll = function() return { "a@b" } end }')
    machine:systemctl("reload", "peerage-lua")
    expect("StatusText", "1 found, 1 live")
    expect("SubState", "running")
    assert.equal(pid, machine:show("MainPID"))
    local engine = ("%s/root/proc/%s"):format(machine.pid, pid)
    local took = usage.time({ "self", machine.pid, engine }, function() machine:systemctl("stop", "peerage-lua") end)
    assert(took < 2, took)
    assert.equal("success 0", machine:show("Result") .. " " .. machine:show("ExecMainStatus"))
  end)

  the("leaves all providers and connectors what they need, and nothing else", function()
    machine.folder:sh("mkdir -m 777 open")
    machine:write("homies.lua", PROVIDER)
    machine:write("nodes.json", '["a@b", "c@d", "e@f"]')
    machine:write("config.lua", ALL)
    local server = machine:start("sh", "-c", "exec python3 -m http.server --bind 127.0.0.1 --directory /etc/peerage-lua 8080 2>&1")
    machine:systemctl("start", "peerage-lua")
    local counts = "beam: 1 found, %d live; exec: 3 found, 3 live; file: 3 found, 3 live; files: 2 found, 2 live; "
      .. "group: 0 found, 0 live; http: 3 found, 3 live; me: 1 found, 1 live; names: 1 found, 1 live"
    expect("StatusText", counts:format(0))
    local cookie = machine:run("cat", "/var/lib/peerage-lua/.erlang.cookie").stdout
    assert.matches("^%u+$", cookie)
    local beam = machine:start("erl", "-noinput", "-name", "you@127.0.0.1", "-setcookie", cookie, "-start_epmd", "false")
    expect("StatusText", counts:format(1))
    beam:close()
    expect("StatusText", counts:format(0))

    local run = "_SYSTEMD_INVOCATION_ID=" .. machine:show("InvocationID")
    assert.equal("", machine:journal("-p", "warning", run))
    local journal = machine:journal(run)
    assert.matches("the group is joined", journal)
    for name, expected in pairs({
      home = "true", elsewhere = "read%-only file system", ["write and run"] = "PermissionError",
      namespace = "unshare failed: Operation not permitted",
    }) do
      assert.matches(name .. ": [^\n]*" .. expected, journal)
    end
    server:close()
    local status = machine:run("cat", ("/proc/%s/status"):format(machine:show("MainPID"))).stdout
    assert.matches("\nNoNewPrivs:\t1\n", status)
    assert.matches("\nSeccomp:\t2\n", status)
    assert.matches("\nCapBnd:\t0+\n", status)
    assert.not_matches("\nUid:\t0", status)
  end)

  the("has the log in the journal, each message with its level", function()
    machine:write("homies.lua", [[
      local M = {}
      function M.poll(self)
        for _, level in ipairs({ "info", "warn", "error" }) do self.log[level]("a word of " .. level) end
        return {}
      end
      return M
    ]])
    machine:systemctl("start", "peerage-lua")
    for level, priority in pairs({ info = 6, warn = 4, error = 3 }) do
      eventually(function()
        local lines = machine:journal("-u", "peerage-lua", "-p", ("%d..%d"):format(priority, priority))
        return lines:find("a word of " .. level, 1, true)
      end)
    end
  end)

  the("has an engine that hangs started anew", function()
    machine:drop_in(UNTRACED .. "WatchdogSec=3\nTimeoutStopSec=1\nRestartSec=0.1")
    machine:systemctl("start", "peerage-lua")
    local pid = machine:show("MainPID")
    machine:run("sleep", "4") -- it is fed
    assert.equal(pid, machine:show("MainPID"))
    machine:run("kill", "-STOP", pid)
    eventually(function() return tonumber(machine:show("NRestarts")) >= 1 end)
    expect("StatusText", "2 found, 2 live")
  end)

  the("has one that was killed started anew, however often that is", function()
    machine:drop_in(UNTRACED .. "RestartSec=0.1")
    machine:systemctl("start", "peerage-lua")
    for i = 1, 7 do
      expect("SubState", "running")
      machine:run("kill", "-KILL", machine:show("MainPID"))
      expect("NRestarts", tostring(i))
    end
    expect("StatusText", "2 found, 2 live")
  end)

  the("does not start one again whose config is wrong", function()
    machine:write("config.lua", "return { via = 1 }")
    local result = machine:run("systemctl", "start", "peerage-lua")
    assert.equal(1, result.code)
    assert.equal("failed 78 0", ("%s %s %s"):format(machine:show("ActiveState"), machine:show("ExecMainStatus"), machine:show("NRestarts")))
    assert.matches("config.lua: via", machine:journal("-u", "peerage-lua", "-p", "err"))
  end)

  the("lets systemd hand over the cookie", function()
    machine.folder:write("cookie", "HANDEDOVER")
    machine.folder:sh("chmod 600 cookie")
    machine:drop_in(UNTRACED .. "LoadCredential=cookie:/host/cookie")
    machine:write("config.lua", config([[
      via = { "list", node_list = { "you@127.0.0.1" } }, connect = "erlang",
      erlang = { cookie_file = env("CREDENTIALS_DIRECTORY") .. "/cookie" }
    ]]))
    machine:systemctl("start", "peerage-lua")
    local beam = machine:start("erl", "-noinput", "-name", "you@127.0.0.1", "-setcookie", "HANDEDOVER", "-start_epmd", "false")
    expect("StatusText", "1 found, 1 live")
    beam:close()
  end)
end)
