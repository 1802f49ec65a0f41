-- SPDX-License-Identifier: MIT
local copy = require("peerage.copy")

describe("a copy", function()
  it("has the same values, and no part in what becomes of the original", function()
    local inner = {}
    local original = { "a", key = inner }
    local result = copy(original)
    original[1] = "b"
    assert.are.equal("a", result[1])
    assert.are.equal(inner, result.key)
  end)

  it("runs no metamethod and takes no metatable along", function()
    assert.is_nil(getmetatable(copy(setmetatable({ a = 1 }, { __index = error, __pairs = error }))))
  end)
end)
