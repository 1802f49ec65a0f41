-- SPDX-License-Identifier: MIT
-- The bytes of EPMD; those marked so were taken from the wire of OTP 25's epmd and erl.
local crypto = require("engine.crypto")
local messages = require("peerage.erlang.epmd.messages")

local function bytes(hex)
  return (hex:gsub("%s", ""):gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function hex_of(data) return (data:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

-- Gives a reply in pieces, as a stream does, and then its end.
local function taking(data)
  return function(count)
    if #data < count then return nil, "eof", "EOF" end
    local part = data:sub(1, count)
    data = data:sub(count + 1)
    return part
  end
end

describe("EPMD's messages", function()
  describe("a registration", function()
    it("is written as erl writes it", function()
      local from_erl = "000e 78 1388 4d 00 0006 0005 0001 61 0000" -- taken; erl's lowest version is 5, ours 6
      local expected = hex_of(bytes(from_erl)):gsub("00060005", "00060006")
      assert.equal(expected, hex_of(messages.alive({ name = "a", port = 5000 })))
    end)

    it("says that a node is hidden", function()
      assert.equal(72, messages.alive({ name = "a", port = 5000, hidden = true }):byte(6))
    end)

    it("is read as it was written", function()
      local request = assert(messages.read_request(messages.alive({ name = "app_1", port = 65535, hidden = true }):sub(3)))
      assert.same({
        kind = "alive", name = "app_1", port = 65535, type = 72, protocol = 0, high = 6, low = 6, extra = "",
      }, request)
    end)

    it("keeps its extra", function()
      assert.equal("xyz", messages.read_request(bytes("78 1388 4d 00 0006 0005 0001 61 0003") .. "xyz").extra)
    end)

    local function refused(body) return select(2, messages.read_request(body)) end

    it("is refused when its lengths lie", function()
      assert.equal("a registration of 14 bytes: its name's length says 2", refused(bytes("78 1388 4d 00 0006 0005 0002 61 0000")))
      assert.equal("a registration of 14 bytes: its name's length says 65535",
        refused(bytes("78 1388 4d 00 0006 0005 ffff 61 0000")))
      assert.equal("a registration of 14 bytes: its extra's length says 1", refused(bytes("78 1388 4d 00 0006 0005 0001 61 0001")))
    end)

    it("is refused when it is cut anywhere", function()
      local whole = messages.alive({ name = "a", port = 5000 }):sub(3)
      for size = 1, #whole - 1 do
        assert.is_truthy(refused(whole:sub(1, size)):find("^a registration of %d+ bytes"), size)
      end
    end)

    it("is refused when it has no name and ends in the next length", function()
      assert.equal("a registration of 12 bytes: expected more than 13", refused(bytes("78 1388 4d 00 0006 0005 0000 00")))
    end)

    it("is refused with a name that does not fit into the list of names", function()
      for _, name in ipairs({ "a b", "a\nname b at port 1", "a\0", "\127" }) do
        assert.equal("a name with a space or a control character", refused(messages.alive({ name = name, port = 1 }):sub(3)))
      end
      assert.equal("a name of 256 bytes: expected 1 to 255", refused(messages.alive({ name = ("a"):rep(256), port = 1 }):sub(3)))
      assert.equal("a name of 0 bytes: expected 1 to 255", refused(messages.alive({ name = "", port = 1 }):sub(3) .. "more"))
    end)
  end)

  it("reads the question for a port, from clients that end it with a zero, too", function()
    assert.same({ kind = "port", name = "a" }, messages.read_request("za"))
    assert.same({ kind = "port", name = "a" }, messages.read_request("za\0"))
    assert.equal("a name of 0 bytes: expected 1 to 255", select(2, messages.read_request("z")))
  end)

  it("reads the question for all names", function() assert.same({ kind = "names" }, messages.read_request("n")) end)

  it("knows what is not served, and says what it does not know", function()
    assert.same({ kind = "refused", name = "DUMP" }, messages.read_request("d"))
    assert.same({ kind = "refused", name = "KILL" }, messages.read_request("k"))
    assert.same({ kind = "refused", name = "STOP" }, messages.read_request("sa"))
    assert.equal("a request with tag 71: expected 120, 122 or 110", select(2, messages.read_request("GET /")))
  end)

  it("is read or refused with a reason, whatever comes", function()
    local first, kinds = { 120, 122, 110, 100, 0, 255 }, {}
    for i = 1, 5000 do
      local body = string.char(first[i % #first + 1]) .. crypto.random(i % 40)
      local request, reason = messages.read_request(body)
      if not request then assert.equal("string", type(reason), hex_of(body)) end
      kinds[request and request.kind or "bad"] = true
    end
    assert.is_true(kinds.port and kinds.names and kinds.refused and kinds.bad)
  end)

  describe("the answer to a registration", function()
    it("has the creation in the size that the node's version asks for", function()
      assert.equal("76006b03415c", hex_of(messages.alive_reply(6, 0x6b03415c))) -- taken
      assert.equal("79000001", hex_of(messages.alive_reply(5, 6))) -- taken; of two bits, and never 0
      for creation = 4, 20 do
        local small = messages.read_alive_reply(taking(messages.alive_reply(5, creation)))
        assert.is_true(small >= 1 and small <= 3, small)
      end
    end)

    it("is read in both sizes", function()
      assert.equal(0x6b03415c, messages.read_alive_reply(taking(bytes("76006b03415c"))))
      assert.equal(0xffffffff, messages.read_alive_reply(taking(bytes("7600ffffffff"))))
      assert.equal(1, messages.read_alive_reply(taking(bytes("79000001"))))
    end)

    it("says that a name is in use", function()
      for _, reply in ipairs({ "760100000063", "79010063" }) do -- taken
        local creation, message, code = messages.read_alive_reply(taking(bytes(reply)))
        assert.same({ nil, "the name is in use", "EEXIST" }, { creation, message, code })
      end
      assert.equal("760100000000", hex_of(messages.alive_reply(6, nil)))
      assert.equal("79010000", hex_of(messages.alive_reply(5, nil)))
    end)

    it("is refused when it is something else", function()
      local _, message, code = messages.read_alive_reply(taking("HTTP/1.1"))
      assert.same({ "it answered with tag 72, expected 118 or 121", "EPROTO" }, { message, code })
    end)
  end)

  describe("the answer to the question for a port", function()
    local entry = { name = "c", port = 43921, type = 77, protocol = 0, high = 6, low = 5, extra = "" }

    it("is written as epmd writes it", function()
      assert.equal("7700ab914d0000060005000163" .. "0000", hex_of(messages.port_reply(entry))) -- taken
      assert.equal("7701", hex_of(messages.port_reply(nil))) -- taken
    end)

    it("is read", function()
      assert.same({ port = 43921, high = 6, low = 5 }, messages.read_port_reply(taking(messages.port_reply(entry))))
      assert.equal("ENOTFOUND", select(3, messages.read_port_reply(taking("w\1"))))
      assert.equal("EOF", select(3, messages.read_port_reply(taking("w\0\1\2\3"))))
      assert.equal("EPROTO", select(3, messages.read_port_reply(taking("v\0\1\2\3"))))
    end)
  end)

  it("writes and reads the list of names", function()
    local nodes = { { name = "a", port = 5000 }, { name = "b-1", port = 65535 } }
    local reply = messages.names_reply(4369, nodes)
    assert.equal("00001111", hex_of(reply:sub(1, 4)))
    assert.equal("name a at port 5000\nname b-1 at port 65535\n", reply:sub(5))
    assert.same(nodes, messages.read_names(reply:sub(5)))
    assert.same({ nodes[1] }, messages.read_names("garbage\nname a at port 5000\nname b at port"))
  end)
end)
