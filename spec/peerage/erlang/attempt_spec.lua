-- SPDX-License-Identifier: MIT
local ErlangNode = require("support.erlang_node")
local SlowTcp = require("support.slow_tcp")
local eventually = require("support.eventually")
local handshake = require("peerage.erlang.handshake")
local log = require("engine.log")
local task = require("engine.task")
local tcp = require("engine.tcp")

local at = ErlangNode.at

describe("an attempt to link to a node", function()
  local opened

  local function start(name, more)
    local node = assert(ErlangNode.start(name, more))
    opened[#opened + 1] = node
    return node
  end

  -- A node b that is served by hand: `serve(stream)` gets what connects to it.
  local function by_hand(serve)
    local listener = assert(tcp.listen({ host = "127.0.0.1" }))
    opened[#opened + 1] = listener
    task.spawn(function()
      for stream in function() return listener:accept() end do
        opened[#opened + 1] = stream
        serve(stream)
      end
    end)
    local _, port = listener:address()
    return { port = port, timeout = 30 }
  end

  local function acceptor(status)
    return handshake.accept({
      name = "b@127.0.0.1", creation = 9, challenge = 3, cookie = "secret", flags = handshake.FLAGS,
      decide = function() return status or "ok" end,
    })
  end

  before_each(function()
    opened = {}
    log.capture(function() end)
  end)

  after_each(function()
    for _, each in ipairs(opened) do each:close() end
    log.capture(nil)
  end)

  it("ends with the other side, at whatever byte that goes", function()
    local a = start("a@127.0.0.1")
    local length, lengths = 0, nil
    local there = by_hand(function(stream)
      local machine, left = acceptor(), length
      lengths = {}
      while left >= 0 do
        local data = stream:read()
        local out = data and machine:take(data)
        if not out then break end
        lengths[#lengths + 1] = #out
        stream:write(out:sub(1, left))
        left = left - #out
      end
      stream:close()
    end)
    local reasons = {}
    repeat
      local ok, reason = a:connect("b@127.0.0.1", there)
      if not ok then reasons[length] = reason end
      length = length + 1
    until ok
    assert.are.same({ 2, length - 1 }, { #lengths, lengths[1] + lengths[2] })
    for i = 0, length - 2 do
      local expected = i == lengths[1] and "^wrong cookie: " or "^closed: "
      assert.is_truthy(reasons[i]:find(expected), i .. " bytes: " .. reasons[i])
    end
    assert.are.same({}, a.attempts)
    assert.are.same({ "+b@127.0.0.1" }, a.events)
  end)

  it("waits, told that the other side's goes on, for the link to come in", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    local there = by_hand(function(stream)
      stream:write((acceptor("nok"):take(assert(stream:read()))))
      task.sleep(0.02)
      b:connect("a@127.0.0.1", at(a))
    end)
    assert.is_true(a:connect("b@127.0.0.1", there))
    assert.are.same({ "+b@127.0.0.1" }, a.events)
  end)

  it("gives way to a link that the other side knows of before we do", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    a:mark_proved("b@127.0.0.1", true) -- it has our acknowledgement, and our listener's task is yet to run on
    local answer
    local there = by_hand(function(stream)
      stream:write((acceptor("alive"):take(assert(stream:read()))))
      answer = stream:read()
      a:mark_proved("b@127.0.0.1", false)
      b:connect("a@127.0.0.1", at(a))
    end)
    assert.is_true(a:connect("b@127.0.0.1", there))
    assert.are.equal("\0\6sfalse", answer)
    assert.are.same({ "+b@127.0.0.1" }, a.events)
  end)

  it("and one of the other side come to one link, however slow each step is", function()
    local slowest = 0.1
    local function nap()
      local luck = math.random()
      if luck < 0.5 then task.sleep((luck < 0.1 and slowest or slowest / 10) * math.random()) end
    end
    local stop = SlowTcp.start(nap)
    local function round()
      local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
      local function dial(from, to)
        return function()
          task.sleep(math.random() * slowest)
          return { from:connect(to.spec.name, at(to)) }
        end
      end
      assert.are.same({ { true }, { true } }, task.all({ dial(a, b), dial(b, a) }))
      eventually(function() return #a.events > 0 and #b.events > 0 end)
      task.sleep(4 * slowest)
      eventually(function() return not (next(a.attempts) or next(b.attempts) or next(a.arriving) or next(b.arriving)) end)
      assert.are.same({ { "+b@127.0.0.1" }, { "+a@127.0.0.1" } }, { a.events, b.events })
      assert.are.same({}, { next(a.attempts), next(b.attempts), next(a.arriving), next(b.arriving), next(a.proved), next(b.proved) })
    end
    local rounds = {}
    for i = 1, 50 do rounds[i] = round end
    local ok, message = pcall(task.all, rounds)
    stop()
    assert(ok, message)
  end)

  it("is not held up by a stranger who claims to be that node, again and again", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    local claim = handshake.dial({
      name = "b@127.0.0.1", peer = "a@127.0.0.1", creation = 9, challenge = 4, cookie = "guess", flags = handshake.FLAGS,
    }):open()
    local claims = 0
    local claiming = task.spawn(function()
      while true do
        local stream = tcp.connect({ host = "127.0.0.1", port = a.listener.port })
        if not stream then return end
        stream:write(claim)
        claims = claims + 1
        while stream:read() do end
        stream:close()
      end
    end)
    eventually(function() return a.arriving["b@127.0.0.1"] == 1 end)
    assert.is_true(a:connect("b@127.0.0.1", at(b, { timeout = 5 })))
    assert.are.same({ "+b@127.0.0.1" }, a.events)
    eventually(function() return claims > 1 end)
    claiming:cancel()
  end)

  it("that raises is not in the way of the next", function()
    local a, b = start("a@127.0.0.1"), start("b@127.0.0.1")
    local cookie = a.spec.cookie
    a.spec.cookie = function() error("broken") end
    assert.has_error(function() a:connect("b@127.0.0.1", at(b)) end)
    a.spec.cookie = cookie
    assert.is_true(a:connect("b@127.0.0.1", at(b)))
  end)
end)
