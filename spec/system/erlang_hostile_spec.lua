-- SPDX-License-Identifier: MIT
--- A whole engine as an Erlang node, and what strangers and bad peers do to it.
local Daemon = require("support.daemon")
local Erlang = require("support.erlang")
local ErlangNode = require("support.erlang_node")
local Folder = require("support.folder")
local Usage = require("support.usage")
local big_endian = require("peerage.big_endian")
local control = require("peerage.erlang.control")
local crypto = require("engine.crypto")
local epmd = require("peerage.erlang.epmd")
local etf = require("peerage.erlang.etf")
local epmd_messages = require("peerage.erlang.epmd.messages")
local greeting = require("peerage.erlang.greeting")
local handshake = require("peerage.erlang.handshake")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")
local eventually = require("support.eventually")

local HOST, NAME, EVIL = "127.0.0.1", "a@127.0.0.1", "evil@127.0.0.1"
local CONFIG = [[return { name = "a@127.0.0.1", via = "self", erlang = { cookie = "secret", epmd = "auto" } }]]
local QUICK = 4 -- seconds for a node that does as it should: less than strangers are waited for, who have 5 and 7
local LEEWAY = 16384 -- kilobytes that the engine may grow by, most of it the VM's own: machine code, what awaits collection

describe("an engine among strangers", function()
  local folder, engine, pid, port, epmd_port, friend, streams

  local function dial(to)
    local stream = assert(tcp.connect({ host = HOST, port = to }))
    streams[#streams + 1] = stream
    return stream
  end

  local function hang_up()
    for _, stream in ipairs(streams) do stream:close() end
    streams = {}
  end

  -- Seconds that a node takes which does as it should: it asks EPMD, links, and asks whether the other is there.
  local function greet()
    local began = timer.now()
    assert.equal(port, epmd.port_of("a", HOST, { port = epmd_port }))
    assert(friend:connect(NAME, { port = port }))
    local link = friend.links[NAME]
    local frame, key = control.ping(link.self_node, { 1 })
    assert(link:call(key, frame, 30))
    friend:disconnect(NAME)
    eventually(function() return #friend:names() == 0 end)
    return timer.now() - began
  end

  local function complaints()
    local found = {}
    for _, line in ipairs(engine.log) do
      if line:find(" warn ", 1, true) or line:find(" error ", 1, true) then found[#found + 1] = line end
    end
    return found
  end

  -- Does bad things by `fn`; all is afterwards as it was, and few lines were said about it.
  local function endures(most_lines, fn)
    greet()
    local before = Usage.of(pid)
    fn()
    hang_up()
    eventually(function() return Usage.of(pid).descriptors <= before.descriptors end)
    assert.is_true(greet() < QUICK)
    local after = Usage.of(pid)
    assert.is_true(Daemon.is_sanitized() or after.memory - before.memory < LEEWAY, ("grew by %d kB"):format(after.memory - before.memory))
    local said = complaints()
    assert.is_true(#said <= most_lines and (#said > 0) == (most_lines > 0), table.concat(said, "\n"))
    task.sleep(1)
    assert.is_true(Usage.of(pid).cpu - after.cpu < 0.2, "it is not idle again")
  end

  local function evil_peer()
    local stream = dial(port)
    local verdict = greeting.run(handshake.dial({
      name = EVIL, creation = 5, challenge = 17, cookie = "secret", peer = NAME, flags = handshake.FLAGS,
    }), stream)
    assert(verdict.ok, verdict.message)
    return stream
  end

  local function pid_of(number) return etf.pid(etf.atom(EVIL), number, 0, 5) end

  before_each(function()
    folder, streams = Folder.new(), {}
    folder:write("config.lua", CONFIG)
    epmd_port = Erlang.free_port()
    engine = Daemon.start({ folder.path .. "/config.lua" }, { env = { ERL_EPMD_PORT = epmd_port, HOME = folder.path } })
    port = tonumber(engine:expect("this is an Erlang node now"):match("port=(%d+)"))
    engine:expect("LIVE NODES") -- all that it opens is open
    pid = engine.process.pid
    friend = assert(ErlangNode.start("friend@127.0.0.1", { listen = false }))
  end)

  after_each(function()
    hang_up()
    friend:close()
    local result = engine:stop()
    folder:remove()
    assert.are.same({ code = 0 }, result)
  end)

  it("goes on after garbage, lies and handshakes that end anywhere", function()
    local first = handshake.dial({
      name = EVIL, creation = 5, challenge = 17, cookie = "wrong", peer = NAME, flags = handshake.FLAGS,
    }):open()
    local bad = {
      "\255\255" .. ("x"):rep(65535), "\2\88N", "\0\0", "\0\1N", "GET / HTTP/1.1\r\n\r\n", "\22\3\1\2\0",
      "\0\17N" .. ("\0"):rep(12) .. "\255\255ab", first .. "\0\21r" .. ("\0"):rep(20), first .. ("\255"):rep(600),
      "\0\14\120\19\136\77\0\0\6\0\5\255\255a\0\0", "\0\1k", "\0\1\1",
    }
    for i = 1, #first - 1 do bad[#bad + 1] = first:sub(1, i) end
    -- Each reason once at each of the two doors.
    endures(10, function()
      for round = 1, 10 do
        bad[#bad + 1] = crypto.random(20 * round)
        for _, bytes in ipairs(bad) do
          for _, door in ipairs({ port, epmd_port }) do
            local stream = dial(door)
            stream:write(bytes)
            stream:close()
          end
        end
        streams = {}
      end
    end)
  end)

  it("lets nodes in while a thousand connections idle at each door, and ends those", function()
    endures(6, function()
      local before = Usage.of(pid).descriptors
      for _ = 1, 1000 do
        dial(port)
        dial(epmd_port)
      end
      local slowest = 0
      for _ = 1, 5 do slowest = math.max(slowest, greet()) end
      assert.is_true(slowest < QUICK, slowest .. " s")
      assert.is_true(Usage.of(pid).descriptors <= before + 128 + 256)
      -- 7 s for a handshake, 5 for a request.
      eventually(function() return Usage.of(pid).descriptors <= before end)
    end)
  end)

  it("does not wait for those who send a byte at a time", function()
    endures(2, function()
      local name = handshake.dial({
        name = EVIL, creation = 5, challenge = 17, cookie = "secret", peer = NAME, flags = handshake.FLAGS,
      }):open()
      local before, began = Usage.of(pid).descriptors, timer.now()
      local peak = before
      for _ = 1, 50 do
        for door, bytes in pairs({ [port] = name, [epmd_port] = epmd_messages.alive({ name = ("n"):rep(30), port = 1 }) }) do
          local stream = dial(door)
          task.spawn(function()
            for byte in bytes:gmatch(".") do
              if not stream:write(byte) then return end
              task.sleep(1)
            end
          end)
        end
        peak = math.max(peak, Usage.of(pid).descriptors) -- the first may have had their time before the last come
      end
      eventually(function()
        peak = math.max(peak, Usage.of(pid).descriptors)
        return peak >= before + 10
      end)
      eventually(function() return Usage.of(pid).descriptors <= before end)
      assert.is_true(timer.now() - began > 4, "they had some time")
    end)
  end)

  it("answers others while a peer with the cookie asks without end and reads nothing", function()
    local frame = control.frame(etf.tuple(19, pid_of(1), etf.atom("nobody"), etf.reference(etf.atom(EVIL), 5, { 1 })))
    local unknown = control.frame(etf.tuple(200, 1))
    endures(0, function()
      local stream, began = evil_peer(), timer.now()
      local is_held_up = false
      task.spawn(function()
        while task.timeout(1.5, stream.write, stream, (frame .. unknown):rep(1000)) do end
        is_held_up = true
      end)
      local slowest = 0
      repeat
        slowest = math.max(slowest, greet())
      until is_held_up or timer.now() - began > 60
      assert.is_true(is_held_up, "it takes questions without end")
      assert.is_true(slowest < QUICK, slowest .. " s")
    end)
  end)

  it("ends the link of a peer with the cookie that sends no message", function()
    endures(1, function()
      local deep = ("\104\1"):rep(100000) .. "\106"
      local to_net_kernel = "\112\131\104\4\97\6" .. etf.encode(pid_of(1)) .. etf.encode(etf.atom("")) .. etf.encode(etf.atom("net_kernel"))
      local huge = "\108" .. big_endian.u32(500000) .. ("\97\1"):rep(500000) .. "\106"
      for _, payload in ipairs({ to_net_kernel .. "\131" .. deep, to_net_kernel .. "\131" .. huge, "\112\131\108\255\255\255\255", "x" }) do
        local stream = evil_peer()
        stream:write(big_endian.u32(#payload) .. payload)
        while stream:read() do end
      end
      local stream = evil_peer()
      stream:write("\255\255\255\255")
      assert.is_nil(stream:read())
    end)
  end)

  it("registers no more names than it has places for, and answers who asks for all of them", function()
    endures(2, function()
      local held = 0
      repeat
        local stream = epmd.register({ name = ("n%d"):format(held), port = 1 }, { port = epmd_port })
        streams[#streams + 1] = stream
        held = held + 1
      until not stream or held > 2000
      assert.is_true(held <= 1000, held .. " names are registered")
      for _ = 1, 20 do
        local names = assert(epmd.names(HOST, { port = epmd_port }))
        assert.equal(held, #names)
      end
      streams[1]:close()
      eventually(function() return #assert(epmd.names(HOST, { port = epmd_port })) == held - 1 end)
    end)
  end)
end)
