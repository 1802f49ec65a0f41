-- SPDX-License-Identifier: MIT
local big_endian = require("peerage.big_endian")

describe("a big-endian integer", function()
  for bytes, case in pairs({
    ["\1\2"] = { "u16", 258 }, ["\255\254"] = { "u16", 65534 }, ["\0\0"] = { "u16", 0 },
    ["\1\2\3\4"] = { "u32", 0x01020304 }, ["\255\255\255\254"] = { "u32", 2 ^ 32 - 2 }, ["\128\0\0\1"] = { "u32", 2 ^ 31 + 1 },
    ["\0\0\0\0\255\255\255\255"] = { "u64", 2 ^ 32 - 1 }, ["\0\31\255\255\255\255\255\255"] = { "u64", 2 ^ 53 - 1 },
    ["\0\0\0\5\0\0\0\3"] = { "u64", 5 * 2 ^ 32 + 3 },
  }) do
    it(("is written and read: %s of %.0f"):format(case[1], case[2]), function()
      assert.equal(bytes, big_endian[case[1]](case[2]))
      assert.equal(case[2], big_endian["read_" .. case[1]](bytes, 1))
      assert.equal(case[2], big_endian["read_" .. case[1]]("ab" .. bytes .. "c", 3))
    end)
  end

  it("is only as long as it is to be", function()
    assert.equal("\2\3", big_endian.u16(0x010203))
    assert.equal("\2\3\4\5", big_endian.u32(0x0102030405))
  end)
end)
