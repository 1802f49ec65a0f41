-- SPDX-License-Identifier: MIT
local equal = require("peerage.equal")

describe("values", function()
  local function both_ways(a, b)
    assert.are.equal(equal(a, b), equal(b, a))
    return equal(a, b)
  end

  it("are the same when all that is in them is", function()
    assert.is_true(both_ways({ via = { "dns", servers = { "a", { b = 1 } } } }, { via = { "dns", servers = { "a", { b = 1 } } } }))
    assert.is_true(both_ways("a", "a"))
    assert.is_true(both_ways({}, {}))
    assert.is_true(both_ways(nil, nil))
  end)

  for what, case in pairs({
    ["a value"] = { { interval = 3 }, { interval = 4 } },
    ["a type"] = { { 1 }, { "1" } },
    ["a key that is gone"] = { { via = { "dns", a = 1, b = 1 } }, { via = { "dns", a = 1 } } },
    ["a key that is there, and false"] = { { a = 1, b = false }, { a = 1 } },
    ["a nested value"] = { { a = { { 1 } } }, { a = { { 2 } } } },
    ["a function for a name"] = { { via = "dns" }, { via = print } },
    ["nothing and an empty table"] = { {} },
  }) do
    it("differ in " .. what, function() assert.is_false(both_ways(case[1], case[2])) end)
  end

  it("differ when a function is another, for what it refers to may be another", function()
    local function make(value) return function() return value end end
    assert.is_true(both_ways({ filter = print }, { filter = print }))
    assert.is_false(both_ways({ filter = make(1) }, { filter = make(2) }))
    assert.is_false(both_ways(make(1), make(1)))
  end)

  it("are compared without a metamethod", function()
    local function boom() error("ran") end
    local class = { __index = boom, __eq = boom }
    local shared, other = setmetatable({}, class), setmetatable({}, class)
    assert.is_false(both_ways(setmetatable({ a = 1 }, class), setmetatable({}, class)))
    assert.is_true(both_ways({ shared, shared }, { other, setmetatable({}, class) }))
  end)

  it("may contain themselves", function()
    local a, b = { x = 1 }, { x = 1 }
    a.self, b.self = a, b
    assert.is_true(both_ways({ option = a }, { option = b }))
    b.x = 2
    assert.is_false(both_ways({ option = a }, { option = b }))
  end)
end)
