-- SPDX-License-Identifier: MIT
-- What a BEAM node may be handed: so many new names a minute, and in its life.
local Allowance = require("peerage.erlang.allowance")

local function take_many(allowance, first, last, now)
  for i = first, last do assert.is_true(allowance:take(("n%d@h.x"):format(i), now)) end
end

describe("the allowance of names", function()
  it("is 100 new ones in any minute, and 50,000 in all", function()
    local allowance = Allowance.new()
    local now = 0
    for i = 1, 500 do
      take_many(allowance, 100 * i - 99, 100 * i, now)
      if i < 500 then
        assert.same({ false, "the BEAM node was given 100 new names within a minute: this one has to wait" },
          { allowance:take("one@more.x", now + 59.9) })
      end
      now = now + 60
    end
    assert.equal(50000, allowance.count)
    assert.same({ false,
      "the BEAM node was given 50000 names since it started, each an atom that it keeps: no more until it restarts" },
      { allowance:take("one@more.x", now + 3600) })
  end)

  it("counts back from each moment, not from full minutes", function()
    local allowance = Allowance.new({ per_minute = 2 })
    take_many(allowance, 1, 1, 0)
    take_many(allowance, 2, 2, 50)
    assert.is_false((allowance:take("a@b.c", 59)))
    assert.is_true((allowance:take("a@b.c", 60)))
    assert.is_false((allowance:take("d@b.c", 109)))
    assert.is_true((allowance:take("d@b.c", 110)))
  end)

  it("is not touched by a name that was handed before, nor by one that is refused", function()
    local allowance = Allowance.new({ per_minute = 1, per_life = 2 })
    for _ = 1, 3 do assert.is_true((allowance:take("a@b.c", 0))) end
    assert.is_false((allowance:take("d@b.c", 1)))
    assert.is_true(allowance:has("a@b.c"))
    assert.is_false(allowance:has("d@b.c"))
    assert.equal(1, allowance.count)
    assert.is_true((allowance:take("d@b.c", 60)))
    assert.is_false((allowance:take("e@b.c", 200)))
    assert.is_true((allowance:take("a@b.c", 200)))
  end)
end)
