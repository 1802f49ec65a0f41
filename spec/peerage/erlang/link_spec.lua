-- SPDX-License-Identifier: MIT
local ErlangNode = require("support.erlang_node")
local control = require("peerage.erlang.control")
local crypto = require("engine.crypto")
local etf = require("peerage.erlang.etf")
local greeting = require("peerage.erlang.greeting")
local handshake = require("peerage.erlang.handshake")
local log = require("engine.log")
local task = require("engine.task")
local tcp = require("engine.tcp")
local eventually = require("support.eventually")

-- A peer with the right cookie that then sends what it likes.
describe("a link, to a peer that misbehaves,", function()
  local node, events, count

  local function link()
    count = count + 1
    local stream = assert(tcp.connect({ host = "127.0.0.1", port = node.listener.port }))
    local verdict = greeting.run(handshake.dial({
      name = ("peer%d@127.0.0.1"):format(count), creation = 7, challenge = 1, cookie = "secret", flags = handshake.FLAGS,
      peer = node.spec.name,
    }), stream)
    assert.is_true(verdict.ok, verdict.message)
    return stream
  end

  local function ping(id) return (control.ping({ name = "peer1@127.0.0.1", creation = 7 }, { id })) end

  local function is_alive()
    local stream = link()
    stream:write(ping(1))
    local data = stream:read()
    stream:close()
    return data ~= nil
  end

  before_each(function()
    log.capture(function() end)
    node, count = assert(ErlangNode.start("a@127.0.0.1", { max_frame = 1024 * 1024 })), 0
    events = node.events
  end)

  after_each(function()
    node:close()
    log.capture(nil)
  end)

  it("holds up who asks without reading, and nobody else", function()
    local stream = link()
    local questions = {}
    for i = 1, 100 do questions[i] = ping(i) end
    questions = table.concat(questions)
    local rounds = 0
    local asking = task.spawn(function()
      while stream:write(questions) do rounds = rounds + 1 end
    end)
    local unsent
    eventually(function() -- it is stuck
      local before = rounds
      task.sleep(0.2)
      unsent = node.links["peer1@127.0.0.1"].unsent_size
      return rounds == before and unsent > 0
    end)
    assert.is_true(unsent < 1024 * 1024, unsent .. " bytes wait to be sent")
    assert.is_true(is_alive())
    asking:cancel()
    stream:close()
    eventually(function() return #node:names() == 0 end)
  end)

  it("answers everything, in order, to one that is slow to read", function()
    local stream = link()
    local reading = task.spawn(function()
      local keys, rest = {}, ""
      while #keys < 3000 do
        rest = rest .. assert(stream:read())
        while #rest >= 4 do
          local a, b, c, d = rest:byte(1, 4)
          local length = ((a * 256 + b) * 256 + c) * 256 + d
          if #rest < 4 + length then break end
          local operation, message = control.read(rest:sub(5, 4 + length))
          local _, reply = control.take({ name = "peer1@127.0.0.1", creation = 7 }, operation, message)
          if reply then keys[#keys + 1] = reply.reference end
          rest = rest:sub(5 + length)
        end
      end
      return keys
    end)
    local keys = {}
    for i = 1, 3000 do
      local question, key = control.ping({ name = "peer1@127.0.0.1", creation = 7 }, { i })
      keys[i] = key
      stream:write(question)
    end
    assert.are.same(keys, reading:wait())
    stream:close()
  end)

  local function wrap(body)
    local n = #body
    return string.char(math.floor(n / 2 ^ 24), math.floor(n / 2 ^ 16) % 256, math.floor(n / 2 ^ 8) % 256, n % 256) .. body
  end

  it("ends that link alone for whatever is no message", function()
    local deep = "\112\131" .. ("\104\1"):rep(100000) .. "\106"
    local bad = {
      nothing_known = "abc", no_version = "\112abc", empty_after_version = "\112\131",
      no_tuple = "\112\131\97\1", empty_tuple = "\112\131\104\0", unknown_tag = "\112\131\104\1\33",
      deep = deep, lying_tuple = "\112\131\105\255\255\255\255", lying_list = "\112\131\104\1\108\255\255\255\255",
      lying_binary = "\112\131\104\1\109\255\255\255\255", lying_map = "\112\131\104\1\116\255\255\255\255",
      lying_atom = "\112\131\104\1\118\255\255a", short_send = "\112\131" .. etf.encode(etf.tuple(2, etf.atom(""))),
      monitor_of_nothing = "\112\131" .. etf.encode(etf.tuple(19, 1, 2, 3)),
      fragment = "\131\69" .. ("\0"):rep(20), atom_cache = "\131\68\0",
    }
    local witness = link()
    for what, body in pairs(bad) do
      local stream = link()
      local name = ("peer%d@127.0.0.1"):format(count)
      stream:write(wrap(body))
      while stream:read() do end
      stream:close()
      local last = events[#events]
      assert.is_truthy(last:find("-" .. name .. " protocol error: ", 1, true), what .. ": " .. last)
      assert.is_true(#last < 400, what .. ": " .. #last)
    end
    assert.are.same({ "peer1@127.0.0.1" }, node:names())
    witness:close()
  end)

  it("survives any byte that is changed in a message", function()
    local question = ping(1)
    local stream
    for i = 5, #question do
      for _, by in ipairs({ 1, 128, 255 }) do
        stream = stream or link()
        local changed = question:sub(1, i - 1) .. string.char((question:byte(i) + by) % 256) .. question:sub(i + 1)
        stream:write(changed .. question)
        local data = stream:read() -- the answer to the second, or the end
        if not data then
          stream:close()
          stream = nil
        end
      end
    end
    if stream then stream:close() end
    assert.is_true(is_alive())
  end)

  it("does not grow with atoms that it is sent", function()
    local stream = link()
    local function send(number)
      local terms = {}
      for i = 1, 1000 do terms[i] = etf.atom(("atom%d_%d"):format(number, i)) end
      stream:write(control.frame(etf.tuple(6, etf.pid(etf.atom("peer1@127.0.0.1"), 1, 0, 7), etf.atom(""), etf.atom("rex")),
        etf.list(terms)))
      stream:write(ping(number))
      assert(stream:read())
    end
    local function used()
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    for i = 1, 5 do send(i) end
    local before = used()
    for i = 6, 105 do send(i) end
    local grown = used() - before
    assert.is_true(grown < 6000, grown .. " kB more") -- 100,000 atoms are more than that; a weak table may stay large
    stream:close()
  end)

  it("takes a message as long as max_frame, in many pieces", function()
    local stream = link()
    local size = 1024 * 1024
    local head = control.frame(etf.tuple(6, etf.pid(etf.atom("peer1@127.0.0.1"), 1, 0, 7), etf.atom(""), etf.atom("rex")), "")
    local body = head:sub(5, -6) .. "\109"
    local length = size - #body - 4
    local frame = wrap(body .. string.char(0, math.floor(length / 65536), math.floor(length / 256) % 256, length % 256)
      .. crypto.random(1024):rep(1024):sub(1, length))
    assert.are.equal(size + 4, #frame)
    for at = 1, #frame, 10007 do stream:write(frame:sub(at, at + 10006)) end
    stream:write(ping(1))
    assert.is_truthy(stream:read())
    stream:close()
  end)
end)
