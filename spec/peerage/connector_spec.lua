-- SPDX-License-Identifier: MIT
-- What a connector says of nodes, and what becomes of it when it says something else.
local Connector = require("peerage.connector")
local Hearing = require("support.hearing")
local hostile = require("support.hostile")
local scopes = require("engine.scope")
local task = require("engine.task")

describe("a connector", function()
  local scope, hearing, reports

  before_each(function()
    scope, hearing, reports = scopes.new(), Hearing.start(), task.queue()
  end)
  after_each(function()
    hearing:stop()
    scope:close()
  end)

  local function start(module, path)
    return Connector.start({
      unit = { module = module, files = {}, path = path }, options = {}, label = "connector x", name = "me@here", scope = scope,
    }, function(name, live, reason) reports:push({ name, live, reason }) end)
  end

  local function connect(fn, record, seconds)
    return start({ connect = fn }):connect(record or { name = "a@h" }, seconds or 5)
  end

  it("is handed a node of its own", function()
    local record = { name = "a@h", port = 5, meta = { zone = "x" }, attempts = 1 }
    local got
    assert.is_true(connect(function(_, node)
      got = node
      node.meta.zone, node.name = "y", "changed"
      return true
    end, record))
    assert.same({ name = "changed", port = 5, meta = { zone = "y" } }, got)
    assert.same({ name = "a@h", port = 5, meta = { zone = "x" }, attempts = 1 }, record)
  end)

  it("says true, or false and a reason", function()
    assert.same({ true }, { connect(function() return true end) })
    assert.same({ false, "no route" }, { connect(function() return false, "no route" end) })
    assert.same({ false, "refused" }, { connect(function() return false end) })
    assert.same({ false, "refused" }, { connect(function() return false, hostile.table({}) end) })
    assert.same({ false, "no route" }, { connect(function() return nil, "no route", "EHOSTUNREACH" end) })
    assert.same({ false, "busy", "EAGAIN" }, { connect(function() return false, "busy", "EAGAIN" end) })
  end)

  it("breaks its contract, and the report says how", function()
    for value, found in pairs({ [1] = "a number (1)", ["yes"] = '"yes"', [hostile.table({})] = "a table" }) do
      assert.same({ false, ("connect() returned %s: expected true, or false and a reason"):format(found) },
        { connect(function() return value end) })
    end
    assert.same({ false, "connect() returned nothing: expected true, or false and a reason" }, { connect(function() end) })
  end)

  it("raises, which is logged once with its traceback and is the reason", function()
    local ok, reason = connect(function() error("boom", 0) end)
    assert.same({ false, "boom" }, { ok, reason })
    local said = hearing:expect("connect() failed: boom")
    assert.same({ "error", "connector x", "string" }, { said.level, said.source, type(said.fields.traceback) })
  end)

  it("is closed meanwhile, which is no failure of the node's", function()
    local asked = task.queue()
    local connector = start({ connect = function()
      asked:push(true)
      task.sleep(3600)
    end })
    local attempt = scope:spawn(connector.connect, connector, { name = "a@h" }, 5)
    asked:pop()
    connector.instance:release()
    assert.same({ true, false, "the connector starts afresh", "EAGAIN" }, { attempt:join() })
    assert.same({ false, "the connector starts afresh", "EAGAIN" }, { connector:connect({ name = "a@h" }, 5) })
    assert.equal(0, #hearing.said)
  end)

  it("never answers, which is a reason", function()
    assert.same({ false, "timed out after 0.03 s" }, { connect(function() task.sleep(3600) end, nil, 0.03) })
    assert.equal(0, #hearing.said)
  end)

  it("connected to a port that is another one by now, so it disconnects", function()
    local record, disconnected = { name = "a@h", port = 1 }, nil
    local connector = start({
      connect = function() record.port = 2 return true end,
      disconnect = function(_, node) disconnected = node.name end,
    })
    assert.same({ false, "its port changed" }, { connector:connect(record, 5) })
    assert.equal("a@h", disconnected)
    connector = start({
      connect = function() record.port = 3 return true end, disconnect = function() error("boom") end, ignores_ports = true,
    })
    assert.is_true(connector:connect(record, 5))
  end)

  it("reports by up() and down(), in order, in a task of the engine's", function()
    local connector = start({
      connect = function(self)
        self:up("a@h")
        self:down("a@h", "gone")
        self:down("b@h", hostile.table({}))
        self:up(5)
        self:up(nil)
        self:up("c@h")
        return true
      end,
    })
    connector:connect({ name = "a@h" }, 5)
    assert.same({ "a@h", true }, reports:pop())
    assert.same({ "a@h", false, "gone" }, reports:pop())
    assert.same({ "b@h", false, "closed" }, reports:pop())
    assert.same({ "c@h", true }, reports:pop())
  end)

  it("that reports too much at once loses the newest, which is said once a poll, and holds up nobody", function()
    local longest, last = 0, os.clock() -- of CPU time, which nobody else takes
    local beat = scope:spawn(function()
      while true do
        task.sleep(0.001)
        longest, last = math.max(longest, os.clock() - last), os.clock()
      end
    end)
    local connector = start({
      connect = function(self)
        for i = 1, 10002 do self:up("n" .. i) end
        return true
      end,
      nodes = function() return {} end,
    })
    connector.on_live = function(name)
      local until_then = os.clock() + 0.00005
      repeat until os.clock() >= until_then
      reports:push(name)
    end
    connector:connect({ name = "a@h" }, 5)
    last, longest = os.clock(), 0
    while connector.reports:count() > 0 do task.sleep(0.01) end
    task.sleep(0.01)
    beat:cancel()
    assert(reports:count() >= 10000 and reports:count() <= 10001, reports:count())
    assert(connector.dropped >= 1)
    assert(longest < 0.2, longest)
    assert.equal(1, hearing:count("more than 10000 reports that wait the newest are dropped, and nodes() is asked"))
  end)

  it("goes on reporting from its serve()", function()
    start({ connect = print, serve = function(self)
      self:up("a@h")
      task.sleep(3600)
    end })
    assert.same({ "a@h", true }, reports:pop())
  end)

  describe("with nodes()", function()
    local function live(fn) return start({ connect = print, nodes = fn }):live(1) end

    it("says who is live", function()
      assert.same({ ["a@h"] = true, ["b@h"] = true }, live(function() return { "a@h", "b@h", 5, hostile.table({}) } end))
      assert.same({}, live(function() return {} end))
    end)

    it("is read as far as there may be nodes", function()
      local connector = start({ connect = print, nodes = function() return { "a@h", "b@h", "c@h" } end })
      local names, is_cut = connector:live(1, 2)
      assert.same({ { ["a@h"] = true, ["b@h"] = true }, true }, { names, is_cut })
      hearing:expect("nodes(): more than 2 entries, the others were not read: see memory_limit")
      assert.is_false(select(2, connector:live(1, 3)))
    end)

    it("may not know, and says why", function()
      assert.is_nil(live(function() return nil, "the far side is away" end))
      assert.equal("warn", hearing:expect("nodes(): the far side is away").level)
      assert.is_nil(live(function() return 5 end))
      hearing:expect("nodes(): returned a number (5): expected a list of names")
      assert.is_nil(live(function() end))
      hearing:expect("nodes(): returned nothing: expected a list of names")
    end)

    it("may fail, which changes nothing", function()
      assert.is_nil(live(function() error("boom", 0) end))
      hearing:expect("nodes() failed: boom")
      assert.is_nil(live(function() task.sleep(3600) end))
      hearing:expect("nodes() failed: timed out after 1 s")
    end)
  end)

  it("is asked at each poll when it is of the config and has no nodes()", function()
    assert.is_true(start({ connect = print }).asks_each_poll)
    assert.is_false(start({ connect = print, nodes = print }).asks_each_poll)
    assert.is_false(start({ connect = print }, "/x/connector.lua").asks_each_poll)
    assert.is_nil(start({ connect = print }):live(1))
  end)

  it("follows what is found only if it says so itself", function()
    assert.is_true(start({ connect = print, follows_found = true }).follows_found)
    assert.is_false(start(hostile.table({ connect = print })).follows_found)
  end)

  it("may be unable to disconnect, or fail at it", function()
    start({ connect = print }):disconnect("a@h", 1)
    assert.equal(0, #hearing.said)
    start({ connect = print, disconnect = function() error("boom", 0) end }):disconnect("a@h", 1)
    hearing:expect("disconnect() failed: boom")
  end)

  it("is stopped politely", function()
    local stopped = false
    start({ connect = print, stop = function() stopped = true end }):stop()
    assert.is_true(stopped)
  end)
end)
