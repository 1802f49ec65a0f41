-- SPDX-License-Identifier: MIT
--- The engine as an Erlang node, beside real ones.
local Daemon = require("support.daemon")
local Erlang = require("support.erlang")
local Folder = require("support.folder")
local task = require("engine.task")
local timer = require("engine.timer")
local eventually = require("support.eventually")

local HOOKS = [[
  on_up = function(node) print("up: " .. node.name) end,
  on_down = function(node, reason) print("down: " .. node.name .. " (" .. reason .. ")") end,
]]

describe("the engine and real Erlang nodes", function()
  if not Erlang.is_there() then return pending("erl is not installed") end

  local folder, epmd_port, running, configs

  -- Each has a file of its own: config.lua, then config2.lua and so on.
  local function start_engine(text, ...)
    configs = configs + 1
    local file = ("config%s.lua"):format(configs > 1 and configs or "")
    folder:write(file, (text:gsub("HOOKS", function() return HOOKS end)))
    local daemon = Daemon.start({ folder.path .. "/" .. file, ... }, { env = { ERL_EPMD_PORT = epmd_port, HOME = folder.path } })
    running[#running + 1] = daemon
    return daemon
  end

  local function start_erl(name, more)
    local options = { name = name, cookie = "x", epmd_port = epmd_port }
    for key, value in pairs(more or {}) do options[key] = value end
    local erl = Erlang.start(options)
    running[#running + 1] = erl
    return erl
  end

  local function forget(process)
    for i, each in ipairs(running) do
      if each == process then table.remove(running, i) end
    end
  end

  before_each(function()
    folder, epmd_port, running, configs = Folder.new(), Erlang.free_port(), {}, 0
  end)

  after_each(function()
    for _, process in ipairs(running) do process:stop() end
    folder:remove()
  end)

  local ALONE = [[return { name = "a@127.0.0.1", via = "self", erlang = { cookie = "x", %s } }]]

  it("pings it, and has it among its hidden nodes", function()
    local engine = start_engine(ALONE:format(""))
    engine:expect("this is an Erlang node now")
    local erl = start_erl("c@127.0.0.1")
    assert.are.equal("pong", erl:eval("net_adm:ping('a@127.0.0.1')"))
    assert.are.equal("['a@127.0.0.1']", erl:eval("nodes(hidden)"))
    assert.are.equal("[]", erl:eval("nodes()"))
    engine:expect("c@127.0.0.1") -- among the live nodes, though nobody found it
  end)

  it("have it among their nodes when it is not hidden", function()
    local engine = start_engine(ALONE:format("hidden = false"))
    engine:expect("this is an Erlang node now")
    local erl = start_erl("c@127.0.0.1")
    assert.are.equal("pong", erl:eval("net_adm:ping('a@127.0.0.1')"))
    assert.are.equal("['a@127.0.0.1']", erl:eval("nodes()"))
    task.sleep(0.5) -- global's own talk to a visible node must do no harm
    assert.are.equal("['a@127.0.0.1']", erl:eval("nodes()"))
    assert.are.equal("pong", erl:eval("net_adm:ping('a@127.0.0.1')"))
  end)

  it("refuses them what it does not have, instead of letting them wait", function()
    start_engine(ALONE:format("")):expect("this is an Erlang node now")
    local erl = start_erl("c@127.0.0.1")
    assert.are.equal("{badrpc,notsup}", erl:eval("rpc:call('a@127.0.0.1', erlang, node, [], 3000)"))
    assert.are.equal("noproc", erl:eval([[(fun() ->
      R = erlang:monitor(process, {somebody, 'a@127.0.0.1'}),
      receive {'DOWN', R, process, _, Reason} -> Reason after 3000 -> timeout end end)()]]))
    assert.are.equal("noproc", erl:eval([[(fun() ->
      {'EXIT', {Reason, _}} = (catch gen_server:call({nobody, 'a@127.0.0.1'}, hello, 3000)), Reason end)()]]))
    assert.are.equal("pong", erl:eval("net_adm:ping('a@127.0.0.1')"))
  end)

  it("may send it more than it ever needs", function()
    start_engine(ALONE:format("")):expect("this is an Erlang node now")
    local erl = start_erl("c@127.0.0.1")
    for _, message in ipairs({ "binary:copy(<<1>>, 5000000)", "lists:seq(1, 1000000)" }) do
      erl:eval(("{somebody, 'a@127.0.0.1'} ! %s, ok"):format(message))
      assert.are.equal("pong", erl:eval("net_adm:ping('a@127.0.0.1')"))
    end
  end)

  -- An engine and a node that are linked, each with a ticktime of its own.
  local function start_linked(ticktime, net_ticktime)
    local engine = start_engine(([[return { name = "a@127.0.0.1", via = "list", sync_offset = 0, interval = 0.5,
      node_list = { "c@127.0.0.1" }, connect = { "erlang", cookie = "x", ticktime = %d }, HOOKS }]]):format(ticktime))
    engine:expect("this is an Erlang node now")
    local erl = start_erl("c@127.0.0.1", { arguments = { "-kernel", "net_ticktime", tostring(net_ticktime) } })
    engine:expect("up: c@127.0.0.1")
    return engine, erl
  end

  it("stay linked though their ticktime is far less than its own: it answers their ticks", function()
    local engine, erl = start_linked(60, 4)
    task.sleep(8)
    assert.is_false(engine:has_said("down:"))
    assert.are.equal("['a@127.0.0.1']", erl:eval("nodes(hidden)"))
  end)

  it("stay linked though it was stopped for more than its ticktime, if theirs is longer", function()
    local engine, erl = start_linked(5, 16)
    engine:signal("STOP")
    task.sleep(7) -- half of theirs
    engine:signal("CONT")
    task.sleep(1)
    assert.is_false(engine:has_said("down:"))
    assert.are.equal("['a@127.0.0.1']", erl:eval("nodes(hidden)"))
  end)

  it("are connected from a list, go down when they halt, and come back at the next poll", function()
    local engine = start_engine([[return { name = "a@127.0.0.1", via = "list", sync_offset = 0, interval = 0.5,
      node_list = { "c@127.0.0.1", "d@127.0.0.1" }, connect = { "erlang", cookie = "x" }, HOOKS }]])
    engine:expect("this is an Erlang node now")
    local c = start_erl("c@127.0.0.1")
    start_erl("d@127.0.0.1")
    engine:expect("up: c@127.0.0.1")
    engine:expect("up: d@127.0.0.1")
    assert.are.equal("['a@127.0.0.1']", c:eval("nodes(hidden)"))
    c:halt()
    engine:expect("down: c@127.0.0.1 (closed)")
    forget(c)
    c:stop()
    c = start_erl("c@127.0.0.1")
    engine:expect("up: c@127.0.0.1")
    assert.are.equal("['a@127.0.0.1']", c:eval("nodes(hidden)"))
  end)

  it("are down within 1.25 times ticktime when they are stopped", function()
    local engine = start_engine([[return { name = "a@127.0.0.1", via = "list", sync_offset = 0, interval = 0.5,
      node_list = { "c@127.0.0.1" }, connect = { "erlang", cookie = "x", ticktime = 4 }, HOOKS }]])
    engine:expect("this is an Erlang node now")
    local erl = start_erl("c@127.0.0.1")
    engine:expect("up: c@127.0.0.1")
    task.sleep(5) -- ticks keep it up
    assert.is_false(engine:has_said("down:"))
    local stopped_at = timer.now()
    erl:signal("STOP")
    engine:expect("down: c@127.0.0.1 (tick timeout)")
    assert.is_true(timer.now() - stopped_at <= 1.25 * 4 + 2)
    erl:signal("CONT")
    engine:expect("up: c@127.0.0.1")
  end)

  it("see no link go down when the config is touched", function()
    local text = [[return { name = "a@127.0.0.1", interval = 0.3, sync_offset = 0, erlang = { cookie = "x" }, clusters = {
      one = { via = "list", node_list = { "c@127.0.0.1", "d@127.0.0.1" } },
      two = { via = "list", node_list = { "d@127.0.0.1" }, HOOKS } } }]]
    local engine = start_engine(text)
    engine:expect("this is an Erlang node now")
    local c, d = start_erl("c@127.0.0.1"), start_erl("d@127.0.0.1")
    engine:expect("up: d@127.0.0.1")
    for _, erl in ipairs({ c, d }) do
      eventually(function() return erl:eval("nodes(hidden)") == "['a@127.0.0.1']" end)
      erl:eval("net_kernel:monitor_nodes(true, [{node_type, all}])")
    end
    folder:write("config.lua", "-- touched\n" .. text:gsub("HOOKS", function() return HOOKS end))
    engine:signal("HUP")
    engine:expect("config.lua: reloaded")
    task.sleep(1)
    for _, erl in ipairs({ c, d }) do
      assert.are.equal("none", erl:eval("receive M -> M after 0 -> none end"))
      assert.are.equal("['a@127.0.0.1']", erl:eval("nodes(hidden)"))
    end
    assert.is_false(engine:has_said("down:"))
  end)

  it("are not linked with another cookie, and not pestered", function()
    local engine = start_engine([[return { name = "a@127.0.0.1", via = "list", sync_offset = 0, interval = 0.2,
      node_list = { "c@127.0.0.1" }, connect = { "erlang", cookie = "y" } }]])
    engine:expect("this is an Erlang node now")
    local erl = start_erl("c@127.0.0.1")
    engine:expect("false (wrong cookie: all nodes need the same one, see cookie and cookie_file)")
    local began = timer.now()
    local function attempts()
      local count = 0
      for _, line in ipairs(erl.log) do
        if line:find("Connection attempt from node", 1, true) then count = count + 1 end
      end
      return count
    end
    eventually(function() return attempts() >= 2 end)
    task.sleep(4)
    local took = timer.now() - began
    assert.is_true(attempts() <= 2 * took, ("%d attempts in %g s"):format(attempts(), took))
    assert.are.equal("[]", erl:eval("nodes(connected)"))
  end)

  it("register at its EPMD, and are found again when another engine has taken that over", function()
    local function config(name)
      return ([[return { name = "%s@127.0.0.1", via = "list", sync_offset = 0, interval = 0.5,
        node_list = { "c@127.0.0.1" }, connect = { "erlang", cookie = "x" }, HOOKS }]]):format(name)
    end
    local first = start_engine(config("a"))
    first:expect("this is an Erlang node now")
    local erl = start_erl("c@127.0.0.1")
    first:expect("up: c@127.0.0.1")
    local second = start_engine(config("b"))
    second:expect("up: c@127.0.0.1")
    forget(first)
    first:signal("KILL")
    first:wait()
    eventually(function() return erl:eval("erl_epmd:port_please(\"b\", {127,0,0,1})"):find("^{port,") end)
    assert.are.equal("pong", erl:eval("net_adm:ping('b@127.0.0.1')"))
    local third = start_engine(config("a"))
    third:expect("this is an Erlang node now")
    third:expect("up: c@127.0.0.1") -- erl registers again, with its own delay
  end)

  it("have their likes: two engines that dial each other at once have one link", function()
    local epmd = Erlang.start_epmd(epmd_port)
    running[#running + 1] = epmd
    local function start_one(name, other)
      return start_engine(([[return { name = "%s@127.0.0.1", via = "list", sync_offset = 30, interval = 0.1,
        node_list = { "%s@127.0.0.1" }, connect = { "erlang", cookie = "x" }, HOOKS }]]):format(name, other))
    end
    for i = 1, 10 do
      local name, other = "a" .. i, "b" .. i -- EPMD may be slow to forget those before
      local a, b = start_one(name, other), start_one(other, name)
      a:expect(("up: %s@127.0.0.1"):format(other))
      b:expect(("up: %s@127.0.0.1"):format(name))
      task.sleep(0.1)
      assert.are.same({ false, false }, { a:has_said("down:"), b:has_said("down:") })
      for _, engine in ipairs({ a, b }) do
        forget(engine)
        engine:stop()
      end
    end
  end)

  it("whose name is taken are told so, and the engine does not start", function()
    local epmd = Erlang.start_epmd(epmd_port)
    start_erl("a@127.0.0.1")
    running[#running + 1] = epmd
    local engine = start_engine(ALONE:format(""))
    engine:expect("a@127.0.0.1 is already registered here; if that is your BEAM node, use connect = \"sidecar\"")
    forget(engine)
    assert.are.same({ code = 1 }, engine:wait())
  end)
end)
