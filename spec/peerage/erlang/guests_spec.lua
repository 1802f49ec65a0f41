-- SPDX-License-Identifier: MIT
local Guests = require("peerage.erlang.guests")

local function guest()
  local it = { stream = {} }
  function it.stream.close() it.is_closed = true end
  return it
end

describe("guests", function()
  it("give way to those who come later, the one first that has waited longest", function()
    local guests, list = Guests.new(2), {}
    for i = 1, 4 do
      list[i] = guest()
      guests:add(list[i])
    end
    assert.equal(2, guests:count())
    assert.is_true(list[1].is_closed and list[1].is_evicted and list[2].is_closed)
    assert.is_nil(list[3].is_closed or list[4].is_closed)
  end)

  it("have nobody go while there is room", function()
    local guests, first, second = Guests.new(2), guest(), guest()
    guests:add(first)
    guests:remove(first)
    guests:remove(first)
    guests:add(second)
    guests:add(guest())
    assert.equal(2, guests:count())
    assert.is_nil(first.is_closed or second.is_closed)
  end)
end)
