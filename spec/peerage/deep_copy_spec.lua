-- SPDX-License-Identifier: MIT
local deep_copy = require("peerage.deep_copy")

describe("a deep copy", function()
  it("has the shape of the table, cycles too, and shares nothing but what is no table", function()
    local original = { list = { 1, { 2 } }, fn = print }
    original.self = original
    local copied = deep_copy(original)
    assert.same({ 1, { 2 } }, copied.list)
    assert.equal(copied, copied.self)
    assert.equal(print, copied.fn)
    copied.list[2][1] = 3
    assert.equal(2, original.list[2][1])
  end)

  it("keeps metatables, hidden ones as well, and runs nothing of them", function()
    local function boom() error("ran") end
    for _, hidden in ipairs({ false, "closed", { five = 6 } }) do
      local class = { __index = { five = 5 }, __newindex = boom, __pairs = boom, __metatable = hidden or nil }
      local copied = deep_copy({ setmetatable({ own = 1 }, class) })[1]
      assert.same({ 1, 5 }, { rawget(copied, "own"), copied.five })
      assert.equal(class, debug.getmetatable(copied))
    end
  end)
end)
