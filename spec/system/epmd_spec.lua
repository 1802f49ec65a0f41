-- SPDX-License-Identifier: MIT
-- The embedded EPMD with real Erlang nodes and OTP's own epmd program, and our client with OTP's epmd.
local Daemon = require("support.daemon")
local Erlang = require("support.erlang")
local Folder = require("support.folder")
local Network = require("support.netns")
local Registration = require("peerage.erlang.epmd.registration")
local epmd = require("peerage.erlang.epmd")
local log = require("engine.log")
local net = require("engine.net")
local process = require("engine.process")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local HOST = "127.0.0.1"
local PATIENCE = require("support.patience")

-- A program that keeps a name registered until it is ended.
local KEEPER = [[
local name, port = arg[1], tonumber(arg[2])
local registration = assert(require("peerage.erlang.epmd.registration").start({
  name = name, port = 5000, mode = "auto", epmd_port = port, scope = require("engine.scope").new(), log = require("engine.log"),
}))
while true do require("engine.task").sleep(1) end
]]

-- Asks the EPMD of a host for the port of "web", and tries to register there as if it were that host.
local STRANGER = [[
local epmd, messages = require("peerage.erlang.epmd"), require("peerage.erlang.epmd.messages")
local host, port = arg[1], tonumber(arg[2])
print("found", epmd.port_of("web", host, { port = port }))
local stream = assert(require("engine.tcp").connect({ host = host, port = port }))
stream:write(messages.alive({ name = "stranger", port = 1 }))
print("answered", stream:read())
print("listed", #epmd.names(host, { port = port }))
]]


local function has_ipv6()
  for _, entry in ipairs(assert(net.interfaces())) do
    if entry.up and entry.address == "::1" then return true end
  end
  return false
end

describe("EPMD, embedded or OTP's", function()
  if not Erlang.is_there() then return pending("erl is not installed") end

  local scope, port, running, folder

  before_each(function()
    scope, port, running, folder = scopes.new(), Erlang.free_port(), {}, Folder.new()
  end)
  after_each(function()
    for _, each in ipairs(running) do each:stop() end
    scope:close()
    folder:remove()
  end)

  local function also(it)
    running[#running + 1] = it
    return it
  end

  local function keep(name)
    return assert(Registration.start({
      name = name, port = 5000, mode = "auto", epmd_port = port, scope = scope, log = log,
    }))
  end

  local function start_erl(name, ...)
    return also(Erlang.start({ name = name, cookie = "x", epmd_port = port, arguments = { ... } }))
  end

  local function listed()
    local names = {}
    for _, node in ipairs(epmd.names(HOST, { port = port }) or {}) do names[#names + 1] = node.name end
    table.sort(names)
    return table.concat(names, " ")
  end

  -- What OTP's program prints of the EPMD at our port.
  local function run_epmd(...)
    local result = assert(process.run({ "epmd", "-port", port, ... }))
    return result.stdout .. result.stderr
  end

  local function await_listed(names)
    local started = timer.now()
    task.timeout(PATIENCE, function()
      while listed() ~= names do task.sleep(0.01) end
    end)
    assert.equal(names, listed())
    return timer.now() - started
  end

  it("registers a real erl, and forgets it when it ends", function()
    keep("a")
    local erl = start_erl("c@127.0.0.1")
    assert.equal("a c", listed())
    local c_port = epmd.port_of("c", HOST, { port = port })
    assert.equal(("epmd: up and running on port %d with data:\nname a at port 5000\nname c at port %d\n"):format(port, c_port),
      run_epmd("-names"))
    erl:halt()
    await_listed("a")
  end)

  it("answers what erl asks", function()
    keep("a")
    local erl = start_erl("c@127.0.0.1")
    assert.equal("{port,5000,6}", erl:eval("erl_epmd:port_please(\"a\", {127,0,0,1})"))
    assert.equal("noport", erl:eval("erl_epmd:port_please(\"b\", {127,0,0,1})"))
    assert.equal('[{"a",5000}]', erl:eval("{ok, L} = erl_epmd:names({127,0,0,1}), lists:keydelete(\"c\", 1, L)"))
  end)

  it("has two erl nodes find each other", function()
    keep("a")
    start_erl("c@127.0.0.1")
    local d = start_erl("d@127.0.0.1")
    assert.equal("pong", d:eval("net_adm:ping('c@127.0.0.1')"))
  end)

  it("gives erl a creation that is its own, each time", function()
    keep("a")
    local creations = {}
    for i = 1, 2 do
      local erl = start_erl("c@127.0.0.1")
      creations[i] = tonumber(erl:eval("erlang:system_info(creation)"))
      erl:halt()
      await_listed("a")
    end
    assert.is_true(creations[1] > 3 and creations[2] > 3 and creations[1] ~= creations[2])
  end)

  it("tells a second erl of one name that it is taken", function()
    keep("a")
    local ok, message = pcall(Erlang.start, { name = "a@127.0.0.1", epmd_port = port })
    assert.is_false(ok)
    assert.is_truthy(message:find("the name a@127.0.0.1 seems to be in use by another Erlang node", 1, true), message)
  end)

  it("is not ended by OTP's program, nor one's registration", function()
    keep("a")
    run_epmd("-kill")
    run_epmd("-stop", "a")
    assert.equal("a", listed())
  end)

  it("registers an erl that speaks IPv6", function()
    if not has_ipv6() then pending("there is no IPv6 here") end
    keep("a")
    local erl = start_erl("c@::1", "-proto_dist", "inet6_tcp")
    assert.equal("a c", listed())
    assert.equal("c@::1", (erl:eval("node()"):gsub("'", "")))
  end)

  it("is asked by our client as by erl, when it is OTP's", function()
    also(Erlang.start_epmd(port))
    keep("a")
    start_erl("c@127.0.0.1")
    assert.equal("a c", listed())
    assert.equal(5000, epmd.port_of("a", HOST, { port = port }))
    assert.equal("ENOTFOUND", select(3, epmd.port_of("b", HOST, { port = port })))
    assert.is_truthy(run_epmd("-names"):find("name a at port 5000\n", 1, true))
    local stream, message, code = epmd.register({ name = "c", port = 1 }, { port = port })
    assert.is_nil(stream)
    assert.same({ ("epmd at 127.0.0.1:%d: the name is in use"):format(port), "EEXIST" }, { message, code })
  end)

  it("gives way to no other while it is there: OTP's does not start beside the embedded one", function()
    keep("a")
    assert.is_false((pcall(Erlang.start_epmd, port)))
    assert.equal("a", listed())
  end)

  it("is served here when OTP's goes away", function()
    local real = also(Erlang.start_epmd(port))
    keep("a")
    real:stop()
    assert.is_true(await_listed("a") < 10)
    assert.is_truthy(run_epmd("-names"):find("name a at port 5000\n", 1, true))
  end)

  it("is taken over by another engine when the one that served is killed, and erl registers again by itself", function()
    local script = folder:write("keeper.lua", KEEPER)
    local engines = {}
    for i, name in ipairs({ "a", "b" }) do
      engines[i] = Daemon.start({ "run", script, name, tostring(port) })
      also({ stop = function() engines[i]:signal("KILL") engines[i]:wait() end })
      engines[i]:expect("registered with epmd")
    end
    assert.is_true(engines[1]:has_said("epmd is served here"))
    local erl = start_erl("c@127.0.0.1")
    assert.equal("a b c", listed())
    local before = epmd.port_of("c", HOST, { port = port })
    engines[1]:signal("KILL")
    engines[2]:expect("epmd is served here")
    await_listed("b c") -- OTP 25 tries again after 2 s
    assert.equal(before, epmd.port_of("c", HOST, { port = port }))
    assert.equal("'c@127.0.0.1'", erl:eval("node()"))
  end)

  describe("on two hosts", function()
    local network

    setup(function()
      if Network.is_possible() then network = Network.new(2) end
    end)
    teardown(function()
      if network then network:remove() end
    end)

    it("is asked from the other one, which cannot register", function()
      if not network then pending("network namespaces may not be made here") end
      local host = network:address(1)
      local keeper = Daemon.start({ "run", folder:write("keeper.lua", KEEPER), "web", tostring(port) },
        { namespace = network.hosts[1] })
      also(keeper)
      keeper:expect("registered with epmd")
      local stranger = Daemon.start({ "run", folder:write("stranger.lua", STRANGER), host, tostring(port) },
        { namespace = network.hosts[2] })
      stranger:expect("found\t5000")
      stranger:expect("answered\tnil\teof")
      stranger:expect("listed\t1")
      stranger:wait()
      keeper:expect("a node of another host tried to register address=" .. network:address(2))
      local own = Daemon.start({ "run", folder:write("stranger.lua", STRANGER), host, tostring(port) },
        { namespace = network.hosts[1] })
      own:expect("answered\tv")
      own:wait()
    end)
  end)
end)
