-- SPDX-License-Identifier: MIT
-- What clusters share by their connector: made once and before them, closed after the last, and an accident is contained.
local Hearing = require("support.hearing")
local Shared = require("peerage.shared")
local accounts = require("peerage.accounts")
local hostile = require("support.hostile")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

describe("what connectors share", function()
  local scope, hearing, shared, events

  before_each(function()
    scope, hearing, events = scopes.new("engine"), Hearing.start(), {}
    shared = Shared.new(scope, "me@here", 1)
  end)
  after_each(function()
    scope:close()
    hearing:stop()
  end)

  local function note(...) events[#events + 1] = table.concat({ ... }, " ") end

  -- A planned cluster whose connector is in the file `path`.
  local function plan(path, share, options)
    local unit = { module = { connect = print, share = share }, path = path, files = {} }
    local account = accounts.new("connector", {})
    return { settings = {}, connector = { name = path or "table", options = options or {}, unit = unit, account = account } }
  end

  local function maker(name, close)
    return function()
      note("make", name)
      return { name = name, close = close or function() note("close", name) end }
    end
  end

  -- What runs: clusters whose connectors are those of these plans.
  local function running(...)
    local clusters = {}
    for i, each in ipairs({ ... }) do clusters["cluster" .. i] = { connector_part = each.connector } end
    return clusters
  end

  it("is made once for all clusters with the same file, and closed after the last", function()
    local one, two, other = plan("a.lua", maker("a")), plan("a.lua", maker("second a")), plan("b.lua", maker("b"))
    assert.is_true(shared:provide({ one, two, other }))
    assert.same({ "a", "a", "b" }, { one.connector.shared.name, two.connector.shared.name, other.connector.shared.name })
    assert.equal(one.connector.shared, two.connector.shared)
    shared:keep(running(two, other))
    assert.same({ "make a", "make b" }, events)
    shared:keep(running(other))
    assert.same({ "make a", "make b", "close a" }, events)
    shared:keep({})
    shared:keep({})
    assert.same({ "make a", "make b", "close a", "close b" }, events)
  end)

  it("is made anew when nobody had it meanwhile", function()
    local one = plan("a.lua", maker("a"))
    for _ = 1, 2 do
      assert.is_true(shared:provide({ one }))
      shared:keep({})
    end
    assert.same({ "make a", "close a", "make a", "close a" }, events)
  end)

  it("is each connector's own where it stands in the config, and nothing where there is no share()", function()
    local one, two, plain = plan(nil, maker("one")), plan(nil, maker("two")), plan("plain.lua")
    assert.is_true(shared:provide({ one, two, plain }))
    assert.same({ "one", "two" }, { one.connector.shared.name, two.connector.shared.name })
    assert.is_nil(plain.connector.shared)
    shared:keep(running(two, plain))
    assert.same({ "make one", "make two", "close one" }, events)
  end)

  describe("and is told of other options", function()
    local configure

    -- Plans with these ports, provided and settled; then whether each connector's options were taken over.
    local function settle(...)
      local said = {}
      for i, port in ipairs({ ... }) do
        said[i] = plan("a.lua", function(options)
          note("make", options.port)
          return {
            port = options.port, close = function() note("close", options.port) end,
            configure = configure and function(_, given)
              note("configure", given.port)
              return configure(given)
            end,
          }
        end, { port = port })
      end
      assert.is_true(shared:provide(said))
      shared:settle(said)
      shared:keep(running(unpack(said)))
      for i, each in ipairs(said) do said[i] = each.connector.is_taken_over or false end
      return said
    end

    it("takes over those of the first cluster, once", function()
      configure = function() return true end
      assert.same({ false, false }, settle(1, 1))
      assert.same({ false }, settle(1))
      assert.same({ true, true }, settle(2, 2))
      assert.same({ false, false }, settle(2, 3))
      assert.same({ true, false }, settle(3, 2))
      assert.same({ true }, settle(1))
      assert.same({ "make 1", "configure 2", "configure 3", "configure 1" }, events)
    end)

    it("is given a copy, and what it opens then stays", function()
      local ticks = task.queue()
      configure = function(given)
        given.port = 7
        timer.every(0.001, function() ticks:push(true) end)
        return true
      end
      settle(1)
      assert.same({ true }, settle(2))
      assert.same({ false }, settle(2))
      while ticks:count() > 0 do ticks:pop() end
      assert.is_true(task.timeout(30, ticks.pop, ticks))
    end)

    for why, answer in pairs({
      ["has no configure()"] = false,
      ["says no"] = function() return false end,
      ["says nothing"] = function() end,
      ["raises"] = function() error("boom", 0) end,
      ["does not end"] = function() task.sleep(3600) end,
    }) do
      it("is made anew when it " .. why .. ", and the old one is closed then", function()
        configure = answer
        settle(1)
        assert.same({ false, false }, settle(2, 2))
        assert.same({ "make 1", "make 2", "close 1" }, {
          events[1], unpack(events, answer and 3 or 2),
        })
        assert.same({ false }, settle(2))
        if why == "raises" then assert.equal("connector a.lua", hearing:expect("configure() failed: boom").source) end
      end)
    end

    it("stays when it cannot be made anew, and is asked at each reload", function()
      local is_free = true
      local function with_port(port)
        local planned = plan("a.lua", function(options)
          if not is_free then return nil, "in use" end
          return maker("of " .. options.port)()
        end, { port = port })
        assert.is_true(shared:provide({ planned }))
        shared:settle({ planned })
        shared:keep(running(planned))
        return planned.connector.shared.name
      end
      assert.equal("of 1", with_port(1))
      is_free = false
      assert.equal("of 1", with_port(2))
      hearing:expect("cannot be made anew, so its other options need a restart: connector a.lua: in use")
      is_free = true
      assert.equal("of 2", with_port(2))
      assert.same({ "make of 1", "make of 2", "close of 1" }, events)
    end)

    it("hears nothing of a config that is refused", function()
      configure = function() return true end
      settle(1)
      assert.is_nil((shared:provide({ plan("a.lua", print, { port = 2 }), plan("b.lua", function() return nil, "no" end) })))
      assert.same({ false }, settle(1))
      assert.same({ "make 1" }, events)
    end)
  end)

  it("is made of a copy of the first cluster's options, this node's name and a log", function()
    local options = { port = 5 }
    assert.is_true(shared:provide({
      plan("a.lua", function(given, name, log)
        note(given.port, name)
        given.port = 6
        log.info("opened")
        return { close = print }
      end, options), plan("a.lua", maker("second"), { port = 7 }),
    }))
    assert.same({ "5 me@here" }, events)
    assert.equal(5, options.port)
    assert.equal("connector a.lua", hearing:expect("opened").source)
  end)

  it("keeps what share() opened, as long as it is shared", function()
    local ticks = task.queue()
    local one = plan("a.lua", function()
      timer.every(0.001, function() ticks:push(true) end)
      task.spawn(function() task.sleep(3600) end)
      task.sleep(0.01)
      return { close = function() note("closed") end }
    end)
    assert.is_true(shared:provide({ one }))
    while ticks:count() > 0 do ticks:pop() end
    assert.is_true(task.timeout(30, ticks.pop, ticks))
    shared:keep({})
    assert.same({ "closed" }, events)
    while ticks:count() > 0 do ticks:pop() end
    assert.is_nil((task.timeout(0.05, ticks.pop, ticks)))
  end)

  for expected, share in pairs({
    ["port 4369 is in use"] = function() return nil, "port 4369 is in use" end,
    ["boom"] = function() error("boom", 0) end,
    ["share() returned nothing: expected a table with close(), or nil and a message"] = function() end,
    ["share() returned a number (5): expected a table with close(), or nil and a message"] = function() return 5 end,
    ["share() returned a table: expected a table with close(), or nil and a message"] = function() return {} end,
    ["raised a table instead of a message"] = function() error(hostile.table({})) end,
    ["timed out after 1 s"] = function() task.sleep(3600) end,
  }) do
    it("is refused with who and why: " .. expected, function()
      local before = scopes.handles()
      local first, bad = plan("a.lua", maker("a")), plan("b.lua", function()
        timer.every(0.001, function() end)
        return share()
      end)
      assert.same({ nil, "connector b.lua: " .. expected }, { shared:provide({ first, bad }) })
      assert.same({ "make a", "close a" }, events)
      assert.is_nil(bad.connector.shared)
      assert.equal(before, scopes.handles())
    end)
  end

  it("that was there already is not closed when another is refused", function()
    local old = plan("a.lua", maker("a"))
    assert.is_true(shared:provide({ old }))
    assert.is_nil((shared:provide({ plan("a.lua", maker("a")), plan("b.lua", function() return nil, "no" end) })))
    assert.same({ "make a" }, events)
  end)

  it("is closed with what it opened although its close() raises or does not end", function()
    local one, two = plan("a.lua", maker("a", function() error("boom", 0) end)), plan("b.lua", maker("b", function()
      timer.every(0.001, function() end)
      task.sleep(3600)
    end))
    local before = scopes.handles()
    assert.is_true(shared:provide({ one, two }))
    local started = timer.now()
    shared:keep({})
    assert.equal("connector a.lua", hearing:expect("close() failed: boom").source)
    hearing:stop()
    assert.is_true(timer.now() - started < 20)
    assert.equal(before, scopes.handles())
  end)

  it("is on the account of the connector that made it, whose limits follow the first cluster's settings", function()
    local hog = plan("a.lua", function()
      return { close = function() end, configure = function(_, options)
        local kept = {}
        for i = 1, options.megabytes do kept[i] = ("x"):rep(2 ^ 20) .. i end
        return #kept == options.megabytes
      end }
    end)
    hog.connector.options = { megabytes = 0 }
    assert.is_true(shared:provide({ hog }))
    local function follow(megabytes, limit)
      hog.connector.options, hog.settings = { megabytes = megabytes }, { memory_limit = limit }
      shared:settle({ hog })
      return hog.connector.is_taken_over
    end
    assert.is_true(follow(6, 64 * 2 ^ 20))
    assert.is_false(follow(7, 4 * 2 ^ 20))
    hearing:expect("configure() failed: not enough memory: it holds")
  end)

  it("is not made any more when the engine ends", function()
    scope:close()
    assert.same({ nil, "connector a.lua: the engine is ending" }, { shared:provide({ plan("a.lua", maker("a")) }) })
    assert.same({}, events)
  end)
end)
