-- SPDX-License-Identifier: MIT
local ErlangNode = require("support.erlang_node")
local etf = require("peerage.erlang.etf")
local log = require("engine.log")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")
local eventually = require("support.eventually")

local at = ErlangNode.at

describe("a node of the Erlang distribution", function()
  local nodes

  local function start(name, more)
    local node = assert(ErlangNode.start(name, more))
    nodes[#nodes + 1] = node
    return node
  end

  before_each(function()
    nodes = {}
    log.capture(function() end)
  end)

  after_each(function()
    for _, node in ipairs(nodes) do node:close() end
    log.capture(nil)
  end)

  it("links to another, and both know it", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert.is_true(a:connect("b@127.0.0.1", at(b)))
    eventually(function() return #b:names() == 1 end)
    assert.are.same({ "b@127.0.0.1" }, a:names())
    assert.are.same({ "a@127.0.0.1" }, b:names())
    assert.are.same({ "+b@127.0.0.1" }, a.events)
    assert.are.same({ "+a@127.0.0.1" }, b.events)
    assert.are.equal(b.creation, a:creation_of("b@127.0.0.1"))
  end)

  it("is linked to itself", function()
    local a = start("a@127.0.0.1")
    assert.is_true(a:connect("a@127.0.0.1", {}))
    assert.are.same({}, a:names())
  end)

  it("hears when the other side ends a link", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    b:close()
    eventually(function() return #a:names() == 0 end)
    assert.are.same({ "+b@127.0.0.1", "-b@127.0.0.1 closed" }, a.events)
  end)

  it("ends a link by itself, and says so once", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    a:disconnect("b@127.0.0.1")
    eventually(function() return #a.events == 2 and #b.events == 2 end)
    assert.are.same({ "+b@127.0.0.1", "-b@127.0.0.1 closed" }, a.events)
    assert.are.same({ "+a@127.0.0.1", "-a@127.0.0.1 closed" }, b.events)
  end)

  it("has ended a link at once, so that the next attempt makes a new one", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    a:disconnect("b@127.0.0.1")
    assert.are.same({}, a:names())
    assert.is_true(a:connect("b@127.0.0.1", at(b)))
    eventually(function() return #b.events == 3 end)
    assert.are.same({ "+b@127.0.0.1", "-b@127.0.0.1 closed", "+b@127.0.0.1" }, a.events)
    assert.are.same({ "+a@127.0.0.1", "-a@127.0.0.1 closed", "+a@127.0.0.1" }, b.events)
  end)

  it("ends an attempt that is under way, and makes another when it is wanted again", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    local listener = assert(tcp.listen({ host = "127.0.0.1" }))
    local _, port = listener:address()
    local dialling = task.spawn(function() return { a:connect("b@127.0.0.1", { port = port }) } end)
    local stream = assert(listener:accept())
    assert(stream:read())
    a:disconnect("b@127.0.0.1")
    assert.are.same({ false, "closed" }, dialling:wait())
    assert.are.same({ nil, "eof", "EOF" }, { stream:read() })
    assert.are.equal("ok", a:decide({ name = "b@127.0.0.1" }))
    assert.is_true(a:connect("b@127.0.0.1", at(b)))
    stream:close()
    listener:close()
  end)

  it("tells all who wait when it is closed, and connects no more", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    local asking = task.spawn(function() return { a:call("b@127.0.0.1", "erlang", "nodes", etf.list({}), 60) } end)
    task.sleep(0.02)
    local started = timer.now()
    a:close()
    assert.are.same({ [2] = "closed", [3] = "ECONNRESET" }, asking:wait())
    assert.is_true(timer.now() - started < 30)
    assert.are.same({ "+b@127.0.0.1", "-b@127.0.0.1 closed" }, a.events)
    for _ = 1, 2 do assert.are.same({ false, "closed" }, { a:connect("b@127.0.0.1", at(b)) }) end
  end)

  it("drops nobody when ticktime becomes shorter, and counts by the new one from then on", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1", { ticktime = 60 })
    assert(a:connect("b@127.0.0.1", at(b)))
    task.sleep(2)
    a:configure({ ticktime = 1.6, max_frame = a.spec.max_frame })
    task.sleep(2.4)
    assert.are.same({ "+b@127.0.0.1" }, a.events)
    b.links["a@127.0.0.1"].send = function() end
    eventually(function() return a.events[2] == "-b@127.0.0.1 tick timeout" end)
  end)

  it("says that the cookies differ", function()
    local a, b = start("a@127.0.0.1", { cookie = function() return "other" end }), start("b@127.0.0.1")
    local ok, reason = a:connect("b@127.0.0.1", at(b))
    assert.is_false(ok)
    assert.are.equal("wrong cookie: all nodes need the same one, see cookie and cookie_file", reason)
    eventually(function() return b:counters()["wrong cookie"] == 1 end)
    assert.are.same({}, b.events)
  end)

  it("says that the node there has another name", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    local ok, reason = a:connect("c@127.0.0.1", at(b))
    assert.is_false(ok)
    assert.is_truthy(reason:find("^conflict: .*b@127"))
  end)

  it("refuses one that has its own name", function()
    local a, twin = start("a@127.0.0.1"), start("b@127.0.0.1")
    twin.spec.name = "a@127.0.0.1"
    local ok, reason = twin:connect("a2@127.0.0.1", at(a))
    assert.is_false(ok)
    assert.is_truthy(reason:find("^not allowed"), reason)
    assert.are.equal(1, a:counters().conflict)
  end)

  it("says that nobody listens there", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    local there = at(b)
    b:close()
    local ok, reason = a:connect("b@127.0.0.1", there)
    assert.is_false(ok)
    assert.is_truthy(reason:find("^not reachable: .*connection refused"), reason)
  end)

  it("gives up on one that says nothing", function()
    local a = start("a@127.0.0.1")
    local listener = assert(tcp.listen({ host = "127.0.0.1" }))
    local _, port = listener:address()
    local started = timer.now()
    local ok, reason = a:connect("b@127.0.0.1", { port = port, timeout = 0.2 })
    assert.is_false(ok)
    assert.is_truthy(reason:find("^not reachable: no answer in 0.2 s"), reason)
    assert.is_true(timer.now() - started < 20)
    listener:close()
  end)

  it("makes one attempt of several that are made at once", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    local function connect() return a:connect("b@127.0.0.1", at(b)) end
    assert.are.same({ true, true, true }, task.all({ connect, connect, connect }))
    eventually(function() return #b.events > 0 end)
    assert.are.same({ "+a@127.0.0.1" }, b.events)
  end)

  it("and another that dial each other at once come to one link, each time", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    for _ = 1, 200 do
      local results = task.all({
        function() return { a:connect("b@127.0.0.1", at(b)) } end,
        function() return { b:connect("a@127.0.0.1", at(a)) } end,
      })
      assert.are.same({ { true }, { true } }, results)
      assert.are.same({ "b@127.0.0.1" }, a:names())
      assert.are.same({ "a@127.0.0.1" }, b:names())
      assert.are.same({ "+b@127.0.0.1" }, a.events)
      assert.are.same({ "+a@127.0.0.1" }, b.events)
      a:disconnect("b@127.0.0.1")
      eventually(function() return #a.events == 2 and #b.events == 2 end)
      a.events[1], a.events[2], b.events[1], b.events[2] = nil, nil, nil, nil
    end
  end)

  it("takes a restarted peer in the place of its old self", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(b:connect("a@127.0.0.1", at(a)))
    local reborn = start("b@127.0.0.1")
    assert.is_true(reborn:connect("a@127.0.0.1", at(a)))
    eventually(function() return a:creation_of("b@127.0.0.1") == reborn.creation end)
    assert.are.same({ "+b@127.0.0.1", "-b@127.0.0.1 closed", "+b@127.0.0.1" }, a.events)
    eventually(function() return #b:names() == 0 end)
    assert.are.same({ "a@127.0.0.1" }, reborn:names())
  end)

  it("tells those who wait for an answer of a peer's old self that it is gone", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    local asking = task.spawn(function() return { a:call("b@127.0.0.1", "erlang", "nodes", etf.list({}), 60) } end)
    task.sleep(0)
    local reborn = start("b@127.0.0.1")
    assert.is_true(reborn:connect("a@127.0.0.1", at(a)))
    assert.are.same({ [2] = "closed", [3] = "ECONNRESET" }, asking:wait())
  end)

  it("stays linked to one that is idle, with ticks of both", function()
    local a, b = start("a@127.0.0.1", { ticktime = 1.2 }), start("b@127.0.0.1", { ticktime = 60 })
    assert(a:connect("b@127.0.0.1", at(b)))
    task.sleep(3)
    assert.are.same({ "+b@127.0.0.1" }, a.events)
    assert.are.same({ "+a@127.0.0.1" }, b.events)
  end)

  it("drops one that says nothing any more, within 1.25 times ticktime", function()
    local a, b = start("a@127.0.0.1", { ticktime = 2 }), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    b.links["a@127.0.0.1"].send = function() end
    local started = timer.now()
    eventually(function() return #a.events == 2 end)
    assert.are.equal("-b@127.0.0.1 tick timeout", a.events[2])
    local took = timer.now() - started
    assert.is_true(took >= 1.9 and took <= 1.25 * 2 + 1, took .. " s")
  end)

  it("does not answer ticks for ever", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    eventually(function() return #b:names() == 1 end)
    local sent, link = 0, b.links["a@127.0.0.1"]
    local send = link.send
    function link:send(...) sent = sent + 1 return send(self, ...) end
    a.links["b@127.0.0.1"]:send("\0\0\0\0")
    task.sleep(0.1)
    a.links["b@127.0.0.1"]:send("\0\0\0\0")
    task.sleep(0.1)
    assert.is_true(sent >= 1 and sent <= 2, sent .. " ticks")
  end)

  it("ends a link that announces a frame longer than max_frame", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1", { max_frame = 65536 })
    assert(a:connect("b@127.0.0.1", at(b)))
    a.links["b@127.0.0.1"]:send("\0\1\0\1")
    eventually(function() return #a.events == 2 end)
    assert.are.equal("-a@127.0.0.1 protocol error: a frame of 65537 bytes: at most 65536 are taken, see max_frame", b.events[2])
    assert.are.equal(1, b:counters()["protocol error"])
  end)

  it("ends a link on which comes what is no frame", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    a.links["b@127.0.0.1"]:send("\0\0\0\4abcd")
    eventually(function() return #b.events == 2 end)
    assert.is_truthy(b.events[2]:find("protocol error", 1, true))
  end)

  it("takes frames in any cut", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    eventually(function() return #b:names() == 1 end)
    local link = a.links["b@127.0.0.1"]
    local control = require("peerage.erlang.control")
    local asked = control.ping(link.self_node, { 7 }) .. control.ping(link.self_node, { 8 })
    local answers = {}
    link.calls = setmetatable({}, {
      __index = function(_, key) return { answer = { push = function() answers[#answers + 1] = key end } } end,
    })
    for byte in asked:gmatch(".") do
      link.stream:write(byte)
      task.sleep(0)
    end
    eventually(function() return #answers == 2 end)
    assert.are.same({ "+b@127.0.0.1" }, a.events)
  end)

  it("tells those who wait for an answer that the link has ended", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    local asking = task.spawn(function() return { a:call("b@127.0.0.1", "erlang", "nodes", etf.list({}), 60) } end)
    task.sleep(0.02) -- an engine answers no calls
    b:close()
    assert.are.same({ n = nil, [2] = "closed", [3] = "ECONNRESET" }, asking:wait())
    assert.are.same({ nil, "not connected", "ENOTCONN" }, { a:call("b@127.0.0.1", "erlang", "nodes", etf.list({}), 60) })
  end)

  it("forgets who asked and was ended before the answer came", function()
    local a, b = start("a@127.0.0.1", { ticktime = 1 }), start("b@127.0.0.1", { ticktime = 1 })
    assert(a:connect("b@127.0.0.1", at(b)))
    local asking = task.spawn(function() a:call("b@127.0.0.1", "erlang", "nodes", etf.list({}), 0.05) end)
    task.sleep(0)
    assert.is_truthy(next(a.links["b@127.0.0.1"].calls))
    asking:cancel()
    eventually(function() return next(a.links["b@127.0.0.1"].calls) == nil end)
    assert.are.same({ "+b@127.0.0.1" }, a.events)
  end)

  it("counts what it does not know, and goes on", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    a.links["b@127.0.0.1"]:send(require("peerage.erlang.control").frame(etf.tuple(99, 1)))
    eventually(function() return b:counters()["unknown operation"] == 1 end)
    assert.are.same({ "+a@127.0.0.1" }, b.events)
  end)

  it("gives up on an answer that does not come", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    assert(a:connect("b@127.0.0.1", at(b)))
    local _, message, code = a:call("b@127.0.0.1", "erlang", "nodes", etf.list({}), 0.05)
    assert.are.equal("ETIMEDOUT", code)
    assert.is_truthy(message)
  end)

  it("says which address it cannot listen on", function()
    local a = start("a@127.0.0.1")
    local port = a.listener.port
    local node, message = ErlangNode.start("b@127.0.0.1", { dist_port = { port, port } })
    assert.is_nil(node)
    assert.is_truthy(message:find(("cannot listen on 127.0.0.1:%d: address already in use"):format(port), 1, true), message)
  end)

  it("does not start without a cookie", function()
    local node, message = ErlangNode.start("b@127.0.0.1", { cookie = function() return nil, "no cookie there" end })
    assert.is_nil(node)
    assert.are.equal("no cookie there", message)
  end)
end)
