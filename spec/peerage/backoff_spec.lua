-- SPDX-License-Identifier: MIT
-- Delays: they double, end at their bound, and differ.
local Backoff = require("peerage.backoff")

describe("a backoff", function()
  it("doubles from the first delay to the longest, each up to a fifth shorter", function()
    local backoff = Backoff.new({ first = 1, max = 30 })
    for _, longest in ipairs({ 1, 2, 4, 8, 16, 30, 30, 30 }) do
      local delay = backoff:next()
      assert(delay <= longest and delay >= longest * 0.8, ("%g after %g"):format(delay, longest))
    end
  end)

  it("begins anew after a success", function()
    local backoff = Backoff.new({ first = 1, max = 30 })
    for _ = 1, 5 do backoff:next() end
    backoff:reset()
    assert(backoff:next() <= 1)
  end)

  it("never begins beyond the longest", function() assert(Backoff.new({ first = 5, max = 2 }):next() <= 2) end)

  it("spreads those who failed together", function()
    local delays, different = {}, 0
    for _ = 1, 100 do
      local delay = Backoff.jitter(10)
      if not delays[delay] then different = different + 1 end
      delays[delay] = true
    end
    assert(different > 50)
  end)
end)
