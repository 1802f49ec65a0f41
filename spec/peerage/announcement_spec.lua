-- SPDX-License-Identifier: MIT
local announcement = require("peerage.announcement")
local crypto = require("engine.crypto")

local SECRET, OTHER = "the first secret of two", "the other secret of two"
local CONTEXT = announcement.context("230.1.1.1", 45900)
local SAID = { type = "announce", instance = "\1\2\3\4\5\6\7\8", stamp = 1795366096925800, name = "app@10.0.0.1" }

local function sign(changes, secret, context)
  local said = {}
  for key, value in pairs(SAID) do said[key] = value end
  for key, value in pairs(changes or {}) do said[key] = value end
  return announcement.write_signed(said, secret or SECRET, context or CONTEXT), said
end

local function read(data, secrets, context)
  return announcement.read_signed(data, secrets or { SECRET }, context or CONTEXT)
end

-- A datagram whose MAC is right and whose content is not.
local function seal(head) return head .. crypto.hmac_sha256(SECRET, CONTEXT .. head) end

describe("peerage.announcement", function()
  it("writes and reads plain ones as Elixir's Peerage does", function()
    assert.equal("Peer:app@10.0.0.1", announcement.write_plain("app@10.0.0.1"))
    assert.equal("app@10.0.0.1", announcement.read_plain("Peer:app@10.0.0.1"))
  end)

  for what, data in pairs({
    ["nothing"] = "",
    ["one byte"] = "P",
    ["the prefix alone"] = "Peer:",
    ["another prefix"] = "peer:app@10.0.0.1",
    ["no @"] = "Peer:app",
    ["a control character"] = "Peer:app\27[2J@10.0.0.1",
    ["a zero byte at the end"] = "Peer:app@10.0.0.1\0",
    ["a line feed at the end"] = "Peer:app@10.0.0.1\n",
    ["a name of 300 bytes"] = "Peer:" .. ("a"):rep(290) .. "@10.0.0.1",
    ["64 kB"] = "Peer:" .. ("x"):rep(65502),
    ["a signed one"] = (sign()),
  }) do
    it("reads no plain one in " .. what, function() assert.is_nil(announcement.read_plain(data)) end)
  end

  it("lays signed ones out byte by byte", function()
    local data = sign()
    local head = "Peer2:\1\1\2\3\4\5\6\7\8" .. "\0\6\96\224\62\114\244\104" .. "\12app@10.0.0.1"
    assert.equal(head, data:sub(1, -33))
    assert.equal(crypto.hmac_sha256(SECRET, "230.1.1.1:45900\0" .. head), data:sub(-32))
  end)

  it("reads what it has written", function()
    for _, changes in ipairs({
      {}, { type = "leave" }, { name = "a@b" }, { name = ("a"):rep(253) .. "@b" }, { stamp = 2 ^ 53 }, { stamp = 0 },
      { instance = ("\255"):rep(8) },
    }) do
      local data, said = sign(changes)
      assert.is_true(announcement.is_signed(data))
      assert.same(said, (read(data)))
    end
  end)

  it("verifies with any of several secrets", function()
    local data = sign({}, OTHER)
    assert.same(SAID, (read(data, { SECRET, OTHER })))
    assert.same({ nil, "mac" }, { read(data, { SECRET }) })
    assert.same({ nil, "mac" }, { read(data, {}) })
  end)

  it("is valid in one group on one port only", function()
    local data = sign()
    assert.same({ nil, "mac" }, { read(data, nil, announcement.context("230.1.1.2", 45900)) })
    assert.same({ nil, "mac" }, { read(data, nil, announcement.context("230.1.1.1", 45901)) })
  end)

  it("refuses it with any one bit flipped", function()
    local data = sign()
    for i = 1, #data do
      for bit = 0, 7 do
        local byte = data:byte(i)
        local flipped = math.floor(byte / 2 ^ bit) % 2 == 0 and byte + 2 ^ bit or byte - 2 ^ bit
        local said = read(data:sub(1, i - 1) .. string.char(flipped) .. data:sub(i + 1))
        assert.is_nil(said, ("byte %d, bit %d"):format(i, bit))
      end
    end
  end)

  it("refuses it cut anywhere, and with anything added", function()
    local data = sign()
    for length = 0, #data - 1 do assert.same({ nil, "malformed" }, { read(data:sub(1, length)) }) end
    assert.same({ nil, "malformed" }, { read(data .. "\0") })
    assert.same({ nil, "malformed" }, { read(data .. data) })
  end)

  it("refuses nonsense that is well signed", function()
    local middle = SAID.instance .. ("\0"):rep(8)
    for what, head in pairs({
      ["an unknown type"] = "Peer2:\3" .. middle .. "\3a@b",
      ["type 0"] = "Peer2:\0" .. middle .. "\3a@b",
      ["an empty name"] = "Peer2:\1" .. middle .. "\0",
      ["a name that is none"] = "Peer2:\1" .. middle .. "\3abc",
      ["a name with a control character"] = "Peer2:\1" .. middle .. "\5a\27@bc",
    }) do
      assert.same({ nil, "malformed" }, { read(seal(head)) }, what)
    end
    assert.is_table(read(seal("Peer2:\1" .. middle .. "\3a@b")))
  end)
end)
