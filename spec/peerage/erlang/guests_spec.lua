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
    assert.is_true(list[1].is_closed and list[1].evicted == "more than 2 at once" and list[2].is_closed)
    assert.is_nil(list[3].is_closed or list[4].is_closed)
  end)

  it("give way where descriptors have run out, as long as there are any", function()
    local guests, first, second = Guests.new(9), guest(), guest()
    guests:add(first)
    guests:add(second)
    local answers = {}
    local listener = { accept = function(_, on_full)
      for i = 1, 3 do answers[i] = on_full() end
      return "stream"
    end }
    assert.equal("stream", guests:accept(listener))
    assert.are.same({ true, true, false }, answers)
    assert.are.same({ "no descriptor was free", true, true, 0 },
      { first.evicted, first.is_closed, second.is_closed, guests:count() })
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
