-- SPDX-License-Identifier: MIT
local alone = require("support.alone")
local scope = require("engine.scope")
local task = require("engine.task")
local udp = require("engine.udp")

local HOST, GROUP, OTHER_GROUP = "127.0.0.1", "230.1.1.1", "230.1.1.2"

local opened

local function open(options)
  local socket = assert(udp.open(options))
  opened[#opened + 1] = socket
  return socket
end

local function open_group(options)
  options = options or {}
  local multicast = { group = options.group or GROUP, interfaces = { "lo" }, only = options.only }
  return open({ port = options.port, reuse = true, multicast = multicast })
end

local function port_of(socket) return (select(2, socket:address())) end

-- What comes within the time; nil if nothing does.
local function receive(socket, seconds)
  return (task.timeout(seconds or 10, function() return (socket:receive()) end))
end

-- Makes the interface `<name>0`, which can multicast, with an address.
local function veth(name, address)
  local setup = [[ip link add dev %s0 type veth peer name %s1; ip link set %s0 addrgenmode none;
    ip link set %s1 addrgenmode none; ip link set %s0 up; ip link set %s1 up; ip address add ]]
  return setup:gsub("%%s", name) .. ("%s dev %s0"):format(address, name)
end

-- Whatever is underway has arrived when this datagram has.
local function drain(socket, sender, host)
  local got = {}
  assert(sender:send("the last", host or HOST, port_of(socket)))
  for data in socket:messages() do
    if data == "the last" then return got end
    got[#got + 1] = data
  end
end

describe("engine.udp", function()
  before_each(function() opened = {} end)
  after_each(function()
    for _, socket in ipairs(opened) do socket:close() end
  end)

  describe("datagrams", function()
    local a, b

    before_each(function() a, b = open({ host = HOST }), open({ host = HOST }) end)

    it("arrive with all their bytes, from the sender's address", function()
      local bytes = {}
      for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
      assert.is_true(b:send(table.concat(bytes), HOST, port_of(a)))
      local data, sender = a:receive()
      assert.equal(table.concat(bytes), data)
      assert.same({ b:address() }, { sender:address() })
      assert.equal(HOST, sender:destination())
      assert.equal(1, sender:interface())
    end)

    it("may be empty", function()
      b:send("", HOST, port_of(a))
      assert.equal("", (a:receive()))
    end)

    it("come in order, whether they waited or the task did", function()
      for i = 1, 100 do b:send("early " .. i, HOST, port_of(a)) end
      local expected, got = {}, {}
      for i = 1, 200 do expected[i] = (i <= 100 and "early " or "late ") .. i end
      local reader = task.spawn(function()
        for data in a:messages() do
          got[#got + 1] = data
          if #got == 50 then task.sleep(0.02) end -- the rest of the batch goes to the ring
          if #got == 200 then return end
        end
      end)
      task.sleep(0.01)
      for i = 101, 200 do b:send("late " .. i, HOST, port_of(a)) end
      reader:wait()
      assert.same(expected, got)
    end)

    it("go to no address with a zero byte in it", function()
      local socket = assert(udp.open({ host = "127.0.0.1" }))
      local _, port = socket:address()
      local sent, _, code = socket:send("x", "127.0.0.1\0.example", port)
      socket:close()
      assert.is_nil(sent)
      assert.equal("EINVAL", code)
    end)

    it("larger than max_size are dropped whole and counted", function()
      b:send(("x"):rep(2048), HOST, port_of(a))
      b:send(("x"):rep(2049), HOST, port_of(a))
      b:send(("x"):rep(65507), HOST, port_of(a))
      local got = drain(a, b)
      assert.equal(1, #got)
      assert.equal(2048, #got[1])
      assert.equal(2, (a:drops()))
    end)

    it("of 64 kB arrive whole when max_size allows", function()
      local large = open({ host = HOST, max_size = 65535, receive_buffer = 1048576 })
      for i = 1, 5 do b:send(("%d"):format(i):rep(65507), HOST, port_of(large)) end
      local got = drain(large, b)
      assert.equal(5, #got)
      for i = 1, 5 do assert.equal(("%d"):format(i):rep(65507), got[i]) end
      assert.equal(0, (large:drops()))
    end)

    it("that a busy task leaves lying are kept, the newest 1,024, and the others counted", function()
      b:send("first", HOST, port_of(a))
      a:receive() -- from now on the socket is read
      for i = 1, 1400 do
        b:send(tostring(i), HOST, port_of(a))
        if i % 50 == 0 then task.sleep(0.001) end
      end
      task.sleep(0.01)
      local lost = a:drops()
      assert.equal(376, lost)
      for i = 377, 1400 do assert.equal(tostring(i), (a:receive())) end
    end)

    it("that the kernel had no room for are counted", function()
      local small = open({ host = HOST, receive_buffer = 4096 })
      for _ = 1, 100 do b:send(("x"):rep(1000), HOST, port_of(small)) end
      local lost = small:drops()
      local last = task.spawn(function()
        local count = 0
        while lost + count < 100 and receive(small) do count = count + 1 end
        return count
      end)
      assert.equal(100, lost + last:wait())
      assert.is_nil(receive(small, 0.02))
      assert.is_true(lost > 0)
    end)

    it("are told apart by one sender object, which shows the one received last", function()
      local c = open({ host = HOST })
      b:send("from b", HOST, port_of(a))
      c:send("from c", HOST, port_of(a))
      local _, first = a:receive()
      local b_port = select(2, first:address())
      local _, second = a:receive()
      assert.equal(first, second)
      assert.same({ port_of(b), port_of(c) }, { b_port, (select(2, second:address())) })
    end)

    it("cross IPv6 too", function()
      local six = udp.open({ host = "::1" })
      if not six then return pending("no IPv6 here") end
      opened[#opened + 1] = six
      assert.is_true(six:send("to myself", "::1", port_of(six)))
      local data, sender = six:receive()
      assert.equal("to myself", data)
      assert.same({ "::1", port_of(six) }, { sender:address() })
      assert.equal("::1", sender:destination())
    end)
  end)

  describe("a receiver", function()
    local a, b

    before_each(function() a, b = open({ host = HOST }), open({ host = HOST }) end)

    it("is not ended by what ICMP says of datagrams that were sent", function()
      local gone = open({ host = HOST })
      local port = port_of(gone)
      gone:close()
      local reader = task.spawn(function() return (a:receive()) end)
      task.sleep(0)
      a:send("anybody?", HOST, port)
      task.sleep(0.01)
      b:send("me", HOST, port_of(a))
      assert.equal("me", reader:wait())
    end)

    it("gets nil when the socket is closed, and an iteration ends", function()
      local reader = task.spawn(function() return a:receive() end)
      local iterated = task.spawn(function()
        for _ in b:messages() do error("there was nothing to read") end
        return "ended"
      end)
      task.sleep(0)
      a:close()
      b:close()
      assert.same({ nil, "closed", "ECANCELED" }, { reader:wait() })
      assert.equal("ended", iterated:wait())
      assert.same({ nil, "closed", "ECANCELED" }, { a:receive() })
    end)

    it("is alone: a second one raises", function()
      local first = task.spawn(function() a:receive() end)
      task.sleep(0)
      assert.error_matches(function() a:receive() end, "another task waits for this udp socket already")
      first:cancel()
      b:send("free again", HOST, port_of(a))
      assert.equal("free again", (a:receive()))
    end)

    it("may close the socket in the middle of a batch", function()
      local reader = task.spawn(function()
        for data in a:messages() do
          if data == "5" then a:close() end
          assert(tonumber(data) <= 5)
        end
      end)
      for i = 1, 20 do b:send(tostring(i), HOST, port_of(a)) end
      reader:wait()
    end)

    it("that raises in the middle of a batch leaves the rest to the next one", function()
      local reader = task.spawn(function()
        for data in a:messages() do
          if data == "5" then error("five") end
        end
      end)
      for i = 1, 20 do b:send(tostring(i), HOST, port_of(a)) end
      assert.is_false((reader:join()))
      for i = 6, 20 do assert.equal(tostring(i), (a:receive())) end
    end)

    it("may wait for another socket in the middle of a batch", function()
      local c = open({ host = HOST })
      local got = {}
      local reader = task.spawn(function()
        for data in a:messages() do
          if data == "3" then got[#got + 1] = c:receive() end
          got[#got + 1] = data
          if data == "6" then return end
        end
      end)
      for i = 1, 6 do b:send(tostring(i), HOST, port_of(a)) end
      task.sleep(0.01)
      b:send("between", HOST, port_of(c))
      reader:wait()
      assert.same({ "1", "2", "between", "3", "4", "5", "6" }, got)
    end)

    it("is dropped with its scope, and the socket closed", function()
      local owner = scope.new()
      local socket = owner:run(function()
        local mine = udp.open({ host = HOST })
        task.spawn(function() mine:receive() end)
        return mine
      end)
      owner:close()
      assert.same({ nil, "closed", "ECANCELED" }, { socket:address() })
      assert.same({ nil, "closed", "ECANCELED" }, { socket:send("x", HOST, 1) })
    end)
  end)

  describe("a group", function()
    it("is heard by all sockets on its port, the sending one too", function()
      local a = open_group()
      local b = open_group({ port = port_of(a) })
      assert.is_true(a:send("to all", GROUP, port_of(a)))
      assert.equal("to all", receive(a))
      local data, sender = b:receive()
      assert.equal("to all", data)
      assert.equal(GROUP, sender:destination())
      assert.equal(HOST, (sender:address()))
    end)

    it("is not heard by this host with loop off", function()
      local output = alone(veth("up", "10.9.8.7/24"), [[
        local task, udp = require("engine.task"), require("engine.udp")
        for _, loop in ipairs({ true, false }) do
          local socket = assert(udp.open({ multicast = { group = "230.1.1.1", loop = loop } }))
          assert(socket:send("to others", "230.1.1.1", (select(2, socket:address()))))
          print(loop, (task.timeout(loop and 10 or 0.05, function() return (socket:receive()) end)))
        end
      ]])
      assert.equal("true\tto others\nfalse\tnil", output)
    end)

    it("of IPv6 is joined on all interfaces that can multicast, and sent to on each", function()
      local output = alone(veth("a", "fe80::a/64 nodad") .. ";" .. veth("b", "fe80::b/64 nodad"), [[
        local udp = require("engine.udp")
        local socket = assert(udp.open({ multicast = { group = "FF02:0::7265", only = true } }))
        print(socket:group(), table.concat(socket:join(), " "))
        assert(socket:send("to all", "ff02:0:0::7265", (select(2, socket:address()))))
        for _ = 1, 2 do
          local data, sender = socket:receive()
          print(data, (sender:address()), sender:destination())
        end
      ]])
      assert.equal("ff02::7265\ta0 b0\nto all\tfe80::a%a0\tff02::7265\nto all\tfe80::b%b0\tff02::7265", output)
    end)

    it("is sent to on the other interfaces when one fails, and follows interfaces that come and go", function()
      local second = "; ip address add 10.9.8.8/24 dev a0;"
      local output = alone(veth("a", "10.9.8.7/24") .. second .. veth("b", "10.9.9.7/24"), [[
        local udp = require("engine.udp")
        local socket = assert(udp.open({ multicast = { group = "230.1.1.1", only = true } }))
        local port = select(2, socket:address())
        local function say() print(socket:send("x", "230.1.1.1", port), (select(2, socket:receive()):address())) end
        local function join() print(table.concat(assert(socket:join()), " ")) end
        join()
        os.execute("ip link set b0 down")
        say()
        join()
        os.execute("ip link set a0 down; ip link set b0 up")
        join()
        say()
        os.execute("ip link del b0; ip link set lo up")
        join()
        say()
      ]])
      assert.equal("a0 b0\ntrue\t10.9.8.7\na0\nb0\ntrue\t10.9.9.7\nlo\ntrue\t127.0.0.1", output)
    end)

    it("is joined where it can be, and says where and why not on the others", function()
      local limit = "; echo 1 > /proc/sys/net/ipv4/igmp_max_memberships"
      local output = alone(veth("a", "10.9.8.7/24") .. ";" .. veth("b", "10.9.9.7/24") .. limit, [[
        local socket = assert(require("engine.udp").open({ multicast = { group = "230.1.1.1" } }))
        local names, message = socket:join()
        print(table.concat(names, " "), message)
        print(socket:send("x", "230.1.1.1", (select(2, socket:address()))), (socket:receive()))
      ]])
      assert.equal("a0\tcannot join 230.1.1.1 on b0: no buffer space available\ntrue\tx", output)
    end)

    it("takes nothing but its own datagrams off their routes", function()
      local output = alone(veth("a", "10.9.8.7/24") .. ";" .. veth("b", "10.9.9.7/24") .. "; ip route add 230.1.1.2 dev b0", [[
        local task, udp = require("engine.task"), require("engine.udp")
        local mine = assert(udp.open({ multicast = { group = "230.1.1.1", interfaces = { "a0" } } }))
        local other = assert(udp.open({ multicast = { group = "230.1.1.2", interfaces = { "b0" } } }))
        for _, to in ipairs({ { mine, "230.1.1.1" }, { other, "230.1.1.2" } }) do
          assert(mine:send("x", to[2], (select(2, to[1]:address()))))
          print((task.timeout(10, function() return (select(2, to[1]:receive()):address()) end)))
        end
      ]])
      assert.equal("10.9.8.7\n10.9.9.7", output)
    end)

    it("does not bring in other groups on the same port", function()
      local a = open_group()
      local b = open_group({ port = port_of(a), group = OTHER_GROUP })
      b:send("to the others", OTHER_GROUP, port_of(a))
      assert.equal("to the others", receive(b))
      a:send("to us", GROUP, port_of(a))
      assert.equal("to us", receive(a))
    end)

    it("brings in what was sent to this host alone, but not with `only`", function()
      local other = open({ host = HOST })
      local open_to_all = open_group()
      other:send("psst", HOST, port_of(open_to_all))
      assert.equal("psst", receive(open_to_all))
      local strict = open_group({ only = true })
      other:send("psst", HOST, port_of(strict))
      strict:send("to all", GROUP, port_of(strict))
      assert.equal("to all", receive(strict))
      assert.same({ 0, 1 }, { strict:drops() })
    end)

    it("is joined anew without a change, and says on which interfaces", function()
      local a = open_group()
      assert.same({ { "lo" } }, { a:join({ "lo" }) })
      assert.same({ { "lo" } }, { a:join({ 1, HOST, "lo" }) })
      a:send("still here", GROUP, port_of(a))
      assert.equal("still here", receive(a))
      assert.is_nil(receive(a, 0.02)) -- once, not thrice
    end)

    it("is left on interfaces that are gone, and joined again when they are back", function()
      local a = open_group()
      assert.same({ nil, "cannot join 230.1.1.1 on gone0: no such device", "ENODEV" }, { a:join({ "gone0" }) })
      assert.same(
        { nil, ("cannot send 9 bytes to 230.1.1.1:%d: the group is joined on no interface"):format(port_of(a)), "ENODEV" },
        { a:send("to nobody", GROUP, port_of(a)) }
      )
      local b = open_group({ port = port_of(a) })
      b:send("unheard", GROUP, port_of(a))
      assert.equal("unheard", receive(b))
      assert.is_nil(receive(a, 0.02))
      a:join({ "lo" })
      b:send("heard", GROUP, port_of(a))
      assert.equal("heard", receive(a))
    end)

    it("must be a group, of the family of the host", function()
      assert.same(
        { nil, "expected a group, 224.0.0.0 to 239.255.255.255 or in ff00::/8, found 10.0.0.1", "EINVAL" },
        { udp.open({ multicast = { group = "10.0.0.1" } }) }
      )
      assert.same(
        { nil, "group ff02::1 and host 0.0.0.0 are of different families", "EINVAL" },
        { udp.open({ host = "0.0.0.0", multicast = { group = "ff02::1" } }) }
      )
      assert.same(
        { nil, "cannot join 230.1.1.1 on gone0: no such device", "ENODEV" },
        { udp.open({ multicast = { group = GROUP, interfaces = { "gone0" } } }) }
      )
    end)

    it("is needed for join", function()
      local a, b = open(), open_group()
      assert.error_matches(function() a:join() end, "this socket has no group")
      b:close()
      assert.same({ nil, "closed", "ECANCELED" }, { b:join() })
      assert.same({ nil, "closed", "ECANCELED" }, { b:send("x", GROUP, 9) })
    end)

    it("that another socket joined is not heard by one without a group", function()
      local b = open_group()
      local plain = open({ port = port_of(b), reuse = true })
      b:send("to the group", GROUP, port_of(b))
      assert.equal("to the group", receive(b))
      assert.is_nil(receive(plain, 0.02))
    end)
  end)

  describe("failures", function()
    it("of opening name the address", function()
      local a = open({ host = HOST })
      assert.same(
        { nil, ("cannot bind 127.0.0.1:%d: address already in use"):format(port_of(a)), "EADDRINUSE" },
        { udp.open({ host = HOST, port = port_of(a) }) }
      )
      assert.same(
        { nil, "cannot bind 192.0.2.77:0: address not available", "EADDRNOTAVAIL" },
        { udp.open({ host = "192.0.2.77" }) }
      )
      assert.same(
        { nil, 'expected an address, found "localhost": engine.dns turns names into addresses', "EINVAL" },
        { udp.open({ host = "localhost" }) }
      )
      assert.same({ nil, "cannot use fe80::1%gone0: no such device", "ENODEV" }, { udp.open({ host = "fe80::1%gone0" }) })
    end)

    it("of sending name size and address", function()
      local a = open({ host = HOST })
      assert.same(
        { nil, "cannot send 65508 bytes to 127.0.0.1:9: message too long", "EMSGSIZE" },
        { a:send(("x"):rep(65508), HOST, 9) }
      )
      local ok, _, code = a:send("x", "not an address", 9)
      assert.same({ nil, "EINVAL" }, { ok, code })
    end)

    it("of broadcasting without the option are the kernel's, with it there are none", function()
      assert.equal("EACCES", (select(3, open():send("x", "127.255.255.255", 9))))
      assert.is_true((open({ broadcast = true }):send("x", "127.255.255.255", 9)))
    end)

    for message, options in pairs({
      ['unknown option "hots"'] = { hots = HOST },
      ['option "port": expected an integer from 0 to 65535, found 65536'] = { port = 65536 },
      ['option "port": expected an integer from 0 to 65535, found 1.5'] = { port = 1.5 },
      ['option "port": expected a number, found a string'] = { port = "53" },
      ['option "max_size": expected an integer from 1 to 65535, found 0'] = { max_size = 0 },
      ['option "multicast": expected a group in it'] = { multicast = {} },
      ['unknown option "gruop"'] = { multicast = { gruop = GROUP } },
      ["interfaces: expected names, indexes or addresses, found a boolean"] = {
        multicast = { group = GROUP, interfaces = { true } },
      },
    }) do
      it("of the caller raise: " .. message, function()
        assert.error_matches(function() udp.open(options) end, message, 1, true)
      end)
    end

    it("of the caller raise: no data, a port of 0", function()
      local a = open({ host = HOST })
      assert.error(function() a:send(nil, HOST, 9) end)
      assert.error_matches(function() a:send("x", HOST, 0) end, "expected a port from 1 to 65535")
    end)
  end)

  it("forgets a socket that Lua has forgotten", function()
    local before = scope.handles()
    do
      udp.open({ host = HOST })
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, scope.handles())
  end)
end)
