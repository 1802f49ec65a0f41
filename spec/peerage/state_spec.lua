-- SPDX-License-Identifier: MIT
-- What survives a reload: plain data, whatever its shape.
local hostile = require("support.hostile")
local states = require("peerage.state")

describe("a copy of a state", function()
  it("has the same values in tables of its own", function()
    local original = { a = 1, b = "x", c = true, list = { 1, 2, { 3 } }, [1.5] = false }
    local copy, dropped = states.copy(original)
    assert.same(original, copy)
    assert.is_nil(dropped)
    copy.list[3][1] = 4
    assert.equal(3, original.list[3][1])
  end)

  it("has the same shape: cycles, tables met twice, tables as keys", function()
    local shared, key = { 1 }, { "key" }
    local original = { one = shared, two = shared, [key] = "value" }
    original.self = original
    local copy = states.copy(original)
    assert.equal(copy, copy.self)
    assert.equal(copy.one, copy.two)
    assert.is_nil(copy[key])
    local found
    for each, value in pairs(copy) do
      if value == "value" then found = each end
    end
    assert.same({ "key" }, found)
  end)

  it("leaves out functions, userdata and coroutines, and says what", function()
    local copy, dropped = states.copy({ keep = 1, refresh = function() end })
    assert.same({ keep = 1 }, copy)
    assert.equal("refresh: a function", dropped)
    assert.equal("file: a userdata", select(2, states.copy({ file = io.stdout })))
    assert.equal("worker: a coroutine", select(2, states.copy({ worker = coroutine.create(print) })))
    copy, dropped = states.copy({ [print] = 1 })
    assert.same({}, copy)
    assert.equal("[a function]: a function", dropped)
  end)

  it("runs no metamethod, and has no metatable", function()
    local copy = states.copy(hostile.table({ a = hostile.table({ b = 1 }) }))
    assert.is_nil(getmetatable(copy))
    assert.same({ a = { b = 1 } }, copy)
  end)

  it("is made of a chain longer than any stack", function()
    local chain = {}
    for _ = 1, 200000 do chain = { next = chain } end
    local copy, count = states.copy(chain), 0
    while copy.next do copy, count = copy.next, count + 1 end
    assert.equal(200000, count)
  end)
end)
