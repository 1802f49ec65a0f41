-- SPDX-License-Identifier: MIT
-- The embedded EPMD: whom it registers, and what strangers can do to it.
local Server = require("peerage.erlang.epmd.server")
local epmd = require("peerage.erlang.epmd")
local log = require("engine.log")
local messages = require("peerage.erlang.epmd.messages")
local scopes = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")

local HOST = "127.0.0.1"

describe("the embedded EPMD", function()
  local scope, server, options, lines

  before_each(function()
    scope, lines = scopes.new(), {}
    log.capture(function(_, _, message, fields) lines[#lines + 1] = { message = message, fields = fields } end)
  end)
  after_each(function()
    log.capture(nil)
    scope:close()
  end)

  local function start(more)
    server = assert(Server.start({
      port = 0, scope = scope, log = log, deadline = more and more.deadline, most_names = more and more.most_names,
    }))
    options = { port = server.port }
  end

  local function register(name, port) return epmd.register({ name = name, port = port or 5000 }, options) end

  local function connect() return (assert(tcp.connect({ host = HOST, port = server.port }))) end

  -- What it answers to these bytes before it closes.
  local function answer_to(data)
    local stream = connect()
    stream:write(data)
    local parts = {}
    for part in function() return stream:read() end do parts[#parts + 1] = part end
    stream:close()
    return table.concat(parts)
  end

  -- Its tasks take a moment to see what was done to a connection.
  local function await(counter, value)
    task.timeout(30, function()
      while server:counters()[counter] ~= value do task.sleep(0.001) end
    end)
    assert.equal(value, server:counters()[counter])
  end

  it("tells where a node listens, as long as that is registered", function()
    start()
    local stream = assert(register("a", 5001))
    assert.equal(5001, epmd.port_of("a", HOST, options))
    assert.same({ { name = "a", port = 5001 } }, epmd.names(HOST, options))
    stream:close()
    await("names", 0)
    assert.equal("ENOTFOUND", select(3, epmd.port_of("a", HOST, options)))
    assert.same({}, epmd.names(HOST, options))
  end)

  it("says of a node what that said of itself", function()
    start()
    local stream = connect()
    stream:write("\0\17\120\19\136\72\1\0\6\0\5\0\1a\0\3xyz")
    assert.equal("v\0", stream:read(6):sub(1, 2))
    assert.equal("w\0\19\136\72\1\0\6\0\5\0\1a\0\3xyz", answer_to(messages.port_please("a")))
    stream:close()
  end)

  it("gives a name to one at a time", function()
    start()
    local first = assert(register("a"))
    local second, message, code = register("a")
    assert.is_nil(second)
    assert.equal("EEXIST", code)
    assert.equal(("epmd at 127.0.0.1:%d: the name is in use"):format(server.port), message)
    assert.equal(5000, epmd.port_of("a", HOST, options))
    first:close()
    await("names", 0)
    assert(register("a")):close()
    assert.equal(1, server:counters()["name in use"])
  end)

  it("gives each registration a creation of its own, from start to start, too", function()
    local seen = {}
    for _ = 1, 2 do
      start()
      for _ = 1, 20 do
        local stream, creation = assert(register("a"))
        assert.is_true(creation >= 4 and creation < 2 ^ 32 and creation % 1 == 0)
        assert.is_nil(seen[creation])
        seen[creation] = true
        stream:close()
        await("names", 0)
      end
      server:close()
    end
  end)

  it("skips the creations that mean something else when it has counted to the last", function()
    start()
    server.creation = 2 ^ 32 - 2
    local _, last = assert(register("a"))
    local _, first = assert(register("b"))
    assert.same({ 2 ^ 32 - 1, 4 }, { last, first })
  end)

  it("says that it is not there any more by closing the connection of those registered", function()
    start()
    local stream = assert(register("a"))
    server:close()
    assert.equal("EOF", select(3, stream:read()))
    stream:close()
    assert.equal("ECONNREFUSED", select(3, register("a")))
  end)

  it("is told that the port is in use", function()
    start()
    local second, message, code = Server.start({ port = server.port, scope = scope, log = log })
    assert.is_nil(second)
    assert.equal("EADDRINUSE", code)
    assert.is_truthy(message:find("address already in use", 1, true))
  end)

  it("registers so many and no more", function()
    start({ most_names = 3 })
    local streams = {}
    for i = 1, 3 do streams[i] = assert(register("a" .. i)) end
    assert.equal("EEXIST", select(3, register("a4")))
    assert.equal(1, server:counters().full)
    streams[1]:close()
    await("names", 2)
    assert(register("a4"))
  end)

  describe("ends a connection alone", function()
    before_each(function() start() end)

    -- Each case is one connection, while another stays registered.
    local function harmless(data, reason)
      local stream = assert(register("other"))
      assert.equal("", answer_to(data))
      await(reason, 1)
      assert.equal(5000, epmd.port_of("other", HOST, options))
      assert.equal(1, server:counters().names)
      stream:close()
    end

    it("that says garbage", function() harmless("GET / HTTP/1.1\r\nHost: epmd\r\n\r\n", "malformed") end)
    it("with an empty request", function() harmless("\0\0", "malformed") end)
    it("with a request that is too long", function() harmless("\2\89", "malformed") end) -- 601 bytes
    it("with the longest length there is", function() harmless("\255\255" .. ("x"):rep(65535), "malformed") end)
    it("with an unknown tag", function() harmless("\0\1\1", "malformed") end)
    it("whose name's length lies", function() harmless("\0\14\120\19\136\77\0\0\6\0\5\255\255a\0\0", "malformed") end)
    it("whose extra's length lies", function() harmless("\0\14\120\19\136\77\0\0\6\0\5\0\1a\255\255", "malformed") end)
    it("whose name would be two lines in the list", function()
      harmless(messages.alive({ name = "a\nname", port = 1 }), "malformed")
    end)
    it("that wants it to end", function() harmless("\0\1k", "refused") end)
    it("that wants another's registration to end", function() harmless("\0\6sother", "refused") end)
    it("that wants to see all there is", function() harmless("\0\1d", "refused") end)

    it("that ends in its request", function()
      local stream = connect()
      stream:write("\0\14\120\19")
      stream:close()
      await("malformed", 1)
    end)

    it("that asks nothing, without a word in the log", function()
      connect():close()
      await("gone", 1)
      assert.same({}, lines)
    end)

    it("that says more after it has registered, and its registration", function()
      local stream = assert(register("a"))
      stream:write("more")
      assert.is_nil(stream:read())
      stream:close()
      await("names", 0)
      assert.equal(1, server:counters().malformed)
    end)
  end)

  describe("with a limit in time", function()
    before_each(function() start({ deadline = 1 }) end)

    it("ends a connection that sends a byte now and then", function()
      local stream, started, request = connect(), timer.now(), messages.alive({ name = "slow", port = 5000 })
      local at = 0
      while at < #request and stream:write(request:sub(at + 1, at + 1)) do
        at = at + 1
        task.sleep(0.25)
      end
      assert.is_true(at < #request and timer.now() - started < 20, at)
      stream:close()
      await("too slow", 1)
      assert.equal(0, server:counters().names)
    end)

    it("ends one that does not take its answer", function()
      local name = ("n"):rep(250)
      for i = 1, 40000 do server.entries[i] = { name = name .. i, port = 1 } end -- more than the kernel keeps for it
      local stream = connect()
      stream:write(messages.names())
      await("too slow", 1)
      assert.equal(0, server.guests:count())
      stream:close()
    end)

    it("keeps those that are registered for longer", function()
      local stream = assert(register("a"))
      task.sleep(1.5)
      assert.equal(5000, epmd.port_of("a", HOST, options))
      stream:close()
    end)
  end)

  it("goes on for those who ask while a thousand connections ask nothing", function()
    start()
    local kept, idle = assert(register("kept")), {}
    for i = 1, 1000 do idle[i] = connect() end
    local stream = assert(register("a", 5002))
    assert.equal(5002, epmd.port_of("a", HOST, options))
    assert.equal(5000, epmd.port_of("kept", HOST, options))
    assert.is_true(server.guests:count() <= 256, server.guests:count())
    assert.is_true(server:counters()["too many"] >= 744, server:counters()["too many"])
    local said = {}
    for _, line in ipairs(lines) do said[#said + 1] = line.message end
    assert.same({ "epmd ended a connection: it asked nothing: more than 256 at once" }, said)
    for _, each in ipairs(idle) do each:close() end
    stream:close()
    kept:close()
  end)

  it("holds a thousand registrations in a megabyte or two", function()
    start()
    local streams = {}
    for i = 1, 50 do streams[i] = assert(register("warm" .. i)) end
    collectgarbage()
    collectgarbage()
    local before = collectgarbage("count")
    for i = 51, 1000 do streams[i] = assert(register("n" .. i)) end
    collectgarbage()
    collectgarbage()
    local grown = (collectgarbage("count") - before) / 950
    assert.is_true(grown < 8, grown .. " kB for both ends of a registration")
    for _, stream in ipairs(streams) do stream:close() end
  end)
end)
