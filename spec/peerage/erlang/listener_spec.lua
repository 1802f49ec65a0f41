-- SPDX-License-Identifier: MIT
local ErlangNode = require("support.erlang_node")
local crypto = require("engine.crypto")
local handshake = require("peerage.erlang.handshake")
local log = require("engine.log")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")
local eventually = require("support.eventually")

local at = ErlangNode.at

describe("the listener of an Erlang node", function()
  local node, friend, warnings, streams

  local function dial()
    local stream = assert(tcp.connect({ host = "127.0.0.1", port = node.listener.port }))
    streams[#streams + 1] = stream
    return stream
  end

  -- Whether a node that knows what it does still gets in.
  local function is_open()
    local ok = friend:connect(node.spec.name, at(node))
    friend:disconnect(node.spec.name)
    eventually(function() return #node:names() == 0 end)
    return ok
  end

  local function dialler()
    return handshake.dial({
      name = "c@127.0.0.1", creation = 5, challenge = 17, cookie = "secret", peer = node.spec.name, flags = handshake.FLAGS,
    })
  end

  before_each(function()
    warnings, streams = {}, {}
    log.capture(function(level, _, message, fields)
      if level == "warn" then warnings[#warnings + 1] = { message, fields } end
    end)
    node = assert(ErlangNode.start("a@127.0.0.1", { handshake_timeout = 10 }))
    friend = assert(ErlangNode.start("b@127.0.0.1"))
  end)

  after_each(function()
    for _, stream in ipairs(streams) do stream:close() end
    node:close()
    friend:close()
    log.capture(nil)
  end)

  it("closes one that talks nonsense, counts it, and says it once", function()
    for _ = 1, 20 do
      local stream = dial()
      stream:write("\255" .. crypto.random(700))
      while stream:read() do end
    end
    eventually(function() return node.listener:pending() == 0 end)
    assert.are.equal(20, node:counters().protocol)
    assert.are.equal(1, #warnings)
    assert.are.equal("127.0.0.1", warnings[1][2].address)
    assert.is_true(is_open())
  end)

  it("gives one that is slow no more than its time", function()
    node:close()
    node = assert(ErlangNode.start("a@127.0.0.1", { handshake_timeout = 1 }))
    local stream, started = dial(), timer.now()
    local hello = dialler():open()
    task.spawn(function()
      for byte in hello:gmatch(".") do
        if not stream:write(byte) then break end
        task.sleep(0.25) -- some seven seconds for all
      end
    end)
    while stream:read() do end
    assert.is_true(timer.now() - started < 5)
    assert.are.equal(1, node:counters()["handshake timeout"])
    assert.is_true(is_open())
  end)

  it("closes one that goes away at any step", function()
    local machine = dialler()
    local hello = machine:open()
    for length = 0, #hello do
      local stream = dial()
      stream:write(hello:sub(1, length))
      stream:close()
    end
    local stream = dial()
    stream:write(hello)
    local reply
    repeat reply = machine:take(assert(stream:read())) until reply
    stream:close()
    eventually(function() return node.listener:pending() == 0 end)
    assert.are.equal(#hello + 2, node:counters().closed)
    assert.is_true(is_open())
  end)

  it("lets those that wait longest go when too many come", function()
    local eldest = dial()
    for _ = 1, 200 do dial() end
    local data, message = eldest:read()
    assert.is_nil(data)
    assert.are.equal("eof", message)
    assert.is_true(node.listener:pending() <= 128)
    assert.is_true(is_open())
    assert.are.equal(201 - 128 + 1, node:counters()["too many"])
  end)

  it("never lets what is not a node in, whatever byte is wrong", function()
    local hello = dialler():open()
    for at_byte = 1, #hello do
      local stream = dial()
      stream:write(hello:sub(1, at_byte - 1) .. string.char((hello:byte(at_byte) + 128) % 256) .. hello:sub(at_byte + 1))
      stream:shutdown()
      while stream:read() do end
    end
    assert.are.same({}, node:names())
    assert.is_true(is_open())
  end)
end)
