-- SPDX-License-Identifier: MIT
--- Sidecars beside real Erlang nodes: who connects is the node, and it does so with nothing of ours in it.
local Daemon = require("support.daemon")
local Erlang = require("support.erlang")
local Folder = require("support.folder")
local eventually = require("support.eventually")
local netns = require("support.netns")
local timer = require("engine.timer")

local APP, B = "app@127.0.0.1", "b@127.0.0.1"
local SIDECAR = "peerage-app@127.0.0.1"

-- A list of all nodes, found at once and again every half second.
local LIST = [[return { name = "app@127.0.0.1", via = "list", node_list = { "app@127.0.0.1", "b@127.0.0.1" },
  sync_offset = 0, interval = 0.5, connect = { "sidecar", cookie = "x" } }]]

local UDP = [[return { name = "NAME", via = "udp", secret = "sixteen bytes, or more", announce = 0.5, sync_offset = 0,
  interval = 0.5, connect = { "sidecar", cookie = "x" } }]]

describe("a sidecar", function()
  if not Erlang.is_there() then return pending("erl is not installed") end

  local folder, epmd_port, running

  local function keep(process)
    table.insert(running, 1, process)
    return process
  end

  local function start_sidecar(text, options)
    options = options or {}
    folder:write(options.file or "config.lua", text)
    return keep(Daemon.start({ folder.path .. "/" .. (options.file or "config.lua") }, {
      namespace = options.namespace, env = { ERL_EPMD_PORT = epmd_port, HOME = folder.path },
    }))
  end

  -- Its messages of nodes that come and go are awaited.
  local function start_erl(name, options)
    options = options or {}
    local erl = keep(Erlang.start({
      name = name, cookie = options.cookie or "x", epmd_port = epmd_port, namespace = options.namespace,
    }))
    erl:eval("net_kernel:monitor_nodes(true, [{node_type, all}])")
    return erl
  end

  local function expect_event(erl, event, name)
    local wait = ("receive {%s, '%s', _} -> seen after 20000 -> {not_seen, nodes(connected)} end"):format(event, name)
    assert.are.equal("seen", erl:eval(wait))
  end

  -- For one that was started beside a sidecar: a link may be there before its messages are awaited.
  local function await_link(erl, name)
    eventually(function() return erl:eval("nodes()"):find(("'%s'"):format(name), 1, true) end)
  end

  local function expect_no_event(erl, event, name)
    assert.are.equal("none", erl:eval(("receive {%s, '%s', _} -> seen after 0 -> none end"):format(event, name)))
  end

  local function forget(process)
    for i, each in ipairs(running) do
      if each == process then table.remove(running, i) end
    end
  end

  local function stop(process)
    forget(process)
    return process:stop()
  end

  before_each(function()
    folder, epmd_port, running = Folder.new(), Erlang.free_port(), {}
  end)

  after_each(function()
    for _, process in ipairs(running) do process:stop() end
    folder:remove()
  end)

  it("has its node connect to what was found, and shows who is connected", function()
    keep(Erlang.start_epmd(epmd_port))
    local b, app = start_erl(B), start_erl(APP)
    local sidecar = start_sidecar(LIST)
    expect_event(app, "nodeup", B)
    expect_event(b, "nodeup", APP)
    assert.are.equal("['b@127.0.0.1']", app:eval("nodes()"))
    assert.are.equal("['peerage-app@127.0.0.1']", app:eval("nodes(hidden)"))
    assert.are.equal("[]", b:eval("nodes(hidden)"))
    sidecar:expect("b@127.0.0.1        true")
    sidecar:expect("LIVE NODES")
    sidecar:expect("app@127.0.0.1 (self)")
    sidecar:expect("b@127.0.0.1")
    assert.is_false(sidecar:has_said(SIDECAR))
    b:halt()
    stop(b)
    sidecar:expect("b@127.0.0.1        false (not reachable from the BEAM node, or their cookies differ)")
    b = start_erl(B)
    await_link(b, APP)
  end)

  it("shows within an interval whom its node connected by itself, and who has gone", function()
    keep(Erlang.start_epmd(epmd_port))
    local app, b = start_erl(APP), start_erl(B)
    local sidecar = start_sidecar([[return { name = "app@127.0.0.1", sync_offset = 0, interval = 0.3,
      connect = { "sidecar", cookie = "x" },
      on_up = function(node) print("up: " .. node.name) end, on_down = function(node) print("down: " .. node.name) end }]])
    expect_event(app, "nodeup", SIDECAR)
    local function quickest(change, event)
      local least = 10
      return function()
        local began = timer.now()
        app:eval(change)
        sidecar:expect(event)
        least = math.min(least, timer.now() - began)
        return least
      end
    end
    local connect = quickest("net_kernel:connect_node('b@127.0.0.1')", "up: b@127.0.0.1")
    local disconnect = quickest("erlang:disconnect_node('b@127.0.0.1')", "down: b@127.0.0.1")
    local up, down
    for _ = 1, 3 do up, down = connect(), disconnect() end
    assert(up < 1.5 and down < 1.5, ("up after %g s, down after %g s"):format(up, down))
    connect()
    b:halt()
    stop(b)
    sidecar:expect("down: b@127.0.0.1")
    assert.is_false(sidecar:has_said("up: " .. SIDECAR))
  end)

  it("leaves its node's links as they are when it is stopped, killed and started again", function()
    keep(Erlang.start_epmd(epmd_port))
    local b, app = start_erl(B), start_erl(APP)
    local function expect_undisturbed()
      assert.are.equal("['b@127.0.0.1']", app:eval("nodes()"))
      assert.are.equal("['app@127.0.0.1']", b:eval("nodes()"))
      expect_no_event(app, "nodedown", B)
      expect_no_event(b, "nodedown", APP)
    end
    local sidecar = start_sidecar(LIST)
    expect_event(app, "nodeup", B)
    for _, signal in ipairs({ "KILL", "TERM" }) do
      expect_event(app, "nodeup", SIDECAR)
      sidecar:signal(signal)
      stop(sidecar)
      expect_event(app, "nodedown", SIDECAR)
      expect_undisturbed()
      sidecar = start_sidecar(LIST)
    end
    expect_event(app, "nodeup", SIDECAR)
    sidecar:expect("b@127.0.0.1        true")
    expect_undisturbed()
  end)

  it("may start first: it takes neither the name nor EPMD, waits, and says for what", function()
    local sidecar = start_sidecar(LIST)
    sidecar:expect("waiting for the BEAM node app@127.0.0.1: not reachable: ")
    sidecar:expect("b@127.0.0.1        false (waiting for the BEAM node app@127.0.0.1: not reachable: ")
    keep(Erlang.start_epmd(epmd_port))
    sidecar:expect("waiting for the BEAM node app@127.0.0.1: name not registered: ")
    start_erl(B)
    local app = start_erl(APP)
    await_link(app, B)
    assert.are.equal("{ok,[app,b]}", app:eval(
      "case erl_epmd:names({127,0,0,1}) of {ok, L} -> {ok, lists:sort([list_to_atom(N) || {N, _} <- L])} end"))
  end)

  it("comes back by itself when its node was started anew, and has it connect again", function()
    keep(Erlang.start_epmd(epmd_port))
    local b, app = start_erl(B), start_erl(APP)
    local sidecar = start_sidecar(LIST)
    expect_event(app, "nodeup", B)
    sidecar:expect("speaks for the BEAM node app@127.0.0.1")
    stop(app)
    sidecar:expect("waiting for the BEAM node app@127.0.0.1: closed")
    sidecar:expect("waiting for the BEAM node app@127.0.0.1: name not registered: ")
    expect_event(b, "nodedown", APP)
    app = start_erl(APP)
    sidecar:expect("speaks for the BEAM node app@127.0.0.1")
    await_link(app, B)
    assert.are.equal("['app@127.0.0.1']", b:eval("nodes()"))
  end)

  it("says that the cookie is wrong, and does not pester", function()
    keep(Erlang.start_epmd(epmd_port))
    local app = start_erl(APP, { cookie = "another" })
    local sidecar = start_sidecar(LIST)
    sidecar:expect("waiting for the BEAM node app@127.0.0.1: wrong cookie")
    sidecar:expect("b@127.0.0.1        false (waiting for the BEAM node app@127.0.0.1: wrong cookie")
    assert.are.equal("[]", app:eval("nodes(connected)"))
  end)

  it("takes its cookie from a file, also one that comes later, and makes none", function()
    keep(Erlang.start_epmd(epmd_port))
    local app = start_erl(APP)
    local sidecar = start_sidecar([[return { name = "app@127.0.0.1", connect = "sidecar" }]])
    sidecar:expect("waiting for the BEAM node app@127.0.0.1: no cookie: there is no " .. folder.path .. "/.erlang.cookie")
    folder:sh("printf x > .erlang.cookie; chmod 400 .erlang.cookie")
    expect_event(app, "nodeup", SIDECAR)
  end)

  it("finds its node without EPMD when it is told the port", function()
    local epmd = keep(Erlang.start_epmd(epmd_port))
    local app = start_erl(APP)
    local port = app:eval("element(2, erl_epmd:names({127,0,0,1}))"):match("(%d+)}%]$")
    stop(epmd)
    start_sidecar((LIST:gsub('cookie = "x"', '%0, port = ' .. port)))
    expect_event(app, "nodeup", SIDECAR)
  end)

  it("is one for all clusters of a process", function()
    keep(Erlang.start_epmd(epmd_port))
    local b, app = start_erl(B), start_erl(APP)
    local sidecar = start_sidecar([[return { name = "app@127.0.0.1", sync_offset = 0, interval = 0.5,
      connect = { "sidecar", cookie = "x" }, clusters = {
        one = { via = "list", node_list = { "b@127.0.0.1" } }, two = { via = "list", node_list = { "c@127.0.0.1" } } } }]])
    expect_event(app, "nodeup", B)
    expect_event(app, "nodeup", SIDECAR)
    folder:write("config.lua", [[return { name = "app@127.0.0.1", sync_offset = 0, interval = 0.5,
      connect = { "sidecar", cookie = "x", ticktime = 30 }, clusters = {
        one = { via = "list", node_list = { "b@127.0.0.1" } } } }]])
    sidecar:expect("other options are taken over")
    expect_no_event(app, "nodedown", SIDECAR)
    assert.are.equal("['app@127.0.0.1']", b:eval("nodes()"))
  end)

  it("has no link cut that a cluster needs, whatever becomes of the node's port or of another cluster", function()
    keep(Erlang.start_epmd(epmd_port))
    local b, app = start_erl(B), start_erl(APP)
    local provider = [[local fs = require("engine.fs")
      return { poll = function() return assert(load("return " .. fs.read("FOLDER/nodes")))() end }]]
    folder:write("nodes.lua", (provider:gsub("FOLDER", folder.path)))
    folder:write("nodes", '{ { name = "b@127.0.0.1", port = 6 }, "c@127.0.0.1" }')
    local sidecar = start_sidecar([[return { name = "app@127.0.0.1", sync_offset = 0, interval = 0.1, prune = "always",
      prune_after = 1, connect = { "sidecar", cookie = "x" },
      on_change = function(nodes) print(#nodes .. " found or live, the first at port " .. (nodes[1] and nodes[1].port or 0)) end,
      clusters = { one = { via = "nodes" }, two = { via = "list", node_list = { { name = "b@127.0.0.1", port = 1 } } } } }]])
    expect_event(app, "nodeup", B)
    folder:write("nodes", '{ { name = "b@127.0.0.1", port = 7 } }')
    sidecar:expect("1 found or live, the first at port 7")
    folder:write("nodes", "{}")
    app:eval("timer:sleep(1000)")
    expect_no_event(app, "nodedown", B)
    assert.are.equal("['app@127.0.0.1']", b:eval("nodes()"))
  end)

  it("is refused by the config where it cannot work or would be dangerous", function()
    for text, message in pairs({
      [(UDP:gsub('secret = "sixteen bytes, or more", ', ""):gsub("NAME", APP))] =
        "connect: provider udp takes names from anyone on the network, and the BEAM node would connect to them: "
        .. "give it a secret, or write accept_plain = true",
      [(LIST:gsub('name = "app@127.0.0.1", ', ""))] =
        'connect: a sidecar speaks for the BEAM node of its name: expected name = "app@host", found none',
      [(LIST:gsub('app@127.0.0.1"', 'app@web1"'))] = "connect: nodes with short names (-sname) are not supported: ",
      [(LIST:gsub('cookie = "x"', '%0, cookie_file = "f"'))] = "connect: expected cookie or cookie_file, found both",
    }) do
      local sidecar = start_sidecar(text)
      sidecar:expect(message)
      forget(sidecar)
      assert.are.equal(78, sidecar:wait().code)
    end
  end)

  it("and another on another host, which know each other by signed announcements, have two nodes connect", function()
    local network = netns.is_possible() and netns.new(2)
    if not network then return pending("needs network namespaces") end
    finally(function()
      for _, process in ipairs(running) do process:stop() end
      running = {}
      network:remove()
    end)
    local names, nodes = { "app@" .. network:address(1), "b@" .. network:address(2) }, {}
    for i, name in ipairs(names) do
      local host = network.hosts[i]
      keep(Erlang.start_epmd(epmd_port, { namespace = host, address = network:address(i) }))
      nodes[i] = start_erl(name, { namespace = host })
    end
    local started = timer.now()
    for i, name in ipairs(names) do
      start_sidecar((UDP:gsub("NAME", name)), { namespace = network.hosts[i], file = "config" .. i .. ".lua" })
    end
    expect_event(nodes[1], "nodeup", names[2])
    expect_event(nodes[2], "nodeup", names[1])
    assert(timer.now() - started < 20, ("it took %g s"):format(timer.now() - started))
    assert.are.equal(("['%s']"):format(names[2]), nodes[1]:eval("nodes()"))
    assert.are.equal(("['%s']"):format(names[1]), nodes[2]:eval("nodes()"))
  end)
end)
