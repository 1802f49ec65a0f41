-- SPDX-License-Identifier: MIT
-- Against the vectors of RFC 1321, FIPS 180-4 and RFC 4231.
local crypto = require("engine.crypto")

local function hex_of(name, ...)
  return (crypto[name](...):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

describe("engine.crypto", function()
  it("gives the MD5 digests of RFC 1321", function()
    for data, digest in pairs({
      [""] = "d41d8cd98f00b204e9800998ecf8427e",
      ["a"] = "0cc175b9c0f1b6a831c399e269772661",
      ["abc"] = "900150983cd24fb0d6963f7d28e17f72",
      ["message digest"] = "f96b697d7cb7938d525a2f31aaf161d0",
      ["abcdefghijklmnopqrstuvwxyz"] = "c3fcd3d76192e4007dfb496cca67e13b",
      [("1234567890"):rep(8)] = "57edf4a22be3c955ac49da2e2107b67a",
    }) do
      assert.equal(digest, hex_of("md5", data))
    end
  end)

  it("gives the SHA-256 digests of FIPS 180-4, of a million bytes too", function()
    for data, digest in pairs({
      [""] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      ["abc"] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      ["abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"] =
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      [("a"):rep(1000000)] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
    }) do
      assert.equal(digest, hex_of("sha256", data))
    end
  end)

  it("gives the HMACs of RFC 4231, also with a key longer than a block", function()
    local vectors = {
      { ("\11"):rep(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
      { "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
      { ("\170"):rep(20), ("\221"):rep(50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
      { ("\170"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    }
    for _, vector in ipairs(vectors) do
      assert.equal(vector[3], hex_of("hmac_sha256", vector[1], vector[2]))
    end
  end)

  it("accepts an empty key and bytes of every value", function()
    local every = {}
    for byte = 0, 255 do every[#every + 1] = string.char(byte) end
    local data = table.concat(every)

    assert.equal("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", hex_of("hmac_sha256", "", ""))
    assert.equal("40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880", hex_of("sha256", data))
    assert.equal("e2c865db4162bed963bfaa9ef6ac18f0", hex_of("md5", data))
  end)

  it("gives as many random bytes as asked for, other ones each time", function()
    assert.equal("", crypto.random(0))
    assert.equal(65536, #crypto.random(65536))
    local seen = {}
    for _ = 1, 1000 do
      local bytes = crypto.random(16)
      assert.equal(16, #bytes)
      assert.is_nil(seen[bytes])
      seen[bytes] = true
    end
  end)

  it("spreads random bytes over all values", function()
    local counts = {}
    for byte in crypto.random(65536):gmatch(".") do counts[byte] = (counts[byte] or 0) + 1 end
    for value = 0, 255 do
      local count = counts[string.char(value)]
      assert(count and count > 128 and count < 512, ("byte %d came %s times in 65536"):format(value, count))
    end
  end)

  it("refuses a count of random bytes that is none", function()
    for _, count in ipairs({ -1, 65537, 1.5, 0 / 0, math.huge }) do
      assert.error_matches(function() crypto.random(count) end, "whole number of bytes from 0 to 65536")
    end
    assert.has_error(function() crypto.random("many") end)
    assert.has_error(function() crypto.random() end)
  end)

  it("compares by value: each differing byte counts, and so does the length", function()
    local secret = crypto.random(64)
    assert.is_true(crypto.equal(secret, secret:sub(1, 32) .. secret:sub(33)))
    assert.is_true(crypto.equal("", ""))
    for at = 1, 64 do
      local other = string.char((secret:byte(at) + 1) % 256)
      assert.is_false(crypto.equal(secret, secret:sub(1, at - 1) .. other .. secret:sub(at + 1)))
    end
    assert.is_false(crypto.equal(secret, secret .. "\0"))
    assert.is_false(crypto.equal("a\0b", "a\0c"))
  end)

  it("refuses what is not a string", function()
    for _, name in ipairs({ "md5", "sha256" }) do
      assert.error_matches(function() crypto[name](nil) end, "string expected")
      assert.error_matches(function() crypto[name]({}) end, "string expected")
    end
    assert.error_matches(function() crypto.hmac_sha256("key") end, "string expected")
    assert.error_matches(function() crypto.equal("a", nil) end, "string expected")
  end)
end)
