-- SPDX-License-Identifier: MIT
-- When a part counts as failing, and what is counted.
local Failing = require("peerage.failing")

describe("the count of a part's failures", function()
  local failing

  before_each(function() failing = Failing.new() end)

  local function judge(reason) return failing:judge(reason and { reason = reason, message = "" }) end

  it("has a number for each kind, of whatever call", function()
    for _, reason in ipairs({ "raised", "breach", "timeout", "interrupted", "interrupted", "out_of_memory", "closed", "unknown" }) do
      failing:count({ reason = reason })
    end
    failing:restarted()
    assert.same({ raised = 2, timed_out = 1, interrupted = 2, out_of_memory = 1, restarts = 1 }, failing.counts)
  end)

  it("marks it at the tenth failure in a row, of whatever kind, and only then", function()
    local kinds = { "raised", "timeout", "interrupted", "out_of_memory", "breach" }
    for i = 1, 9 do assert.is_nil(judge(kinds[i % 5 + 1])) end
    assert.is_false(failing.is_failing)
    assert.equal("failing", judge("raised"))
    assert.is_true(failing.is_failing)
    assert.is_nil(judge("raised"))
  end)

  it("begins anew with a success", function()
    for _ = 1, 9 do judge("raised") end
    assert.is_nil(judge())
    for _ = 1, 9 do assert.is_nil(judge("raised")) end
    assert.equal("failing", judge("raised"))
  end)

  it("takes nil with a message for neither a failure nor a success", function()
    for _ = 1, 100 do assert.is_nil(judge("unknown")) end
    for _ = 1, 9 do judge("raised") end
    assert.is_nil(judge("unknown"))
    assert.equal("failing", judge("raised"))
    assert.is_nil(judge("unknown"))
    assert.is_true(failing.is_failing)
  end)

  it("restores it with one success, and says so once", function()
    for _ = 1, 12 do judge("raised") end
    assert.equal("restored", judge())
    assert.is_false(failing.is_failing)
    assert.is_nil(judge())
  end)

  it("stretches the period to a minute, and shortens no longer one", function()
    assert.equal(0.1, failing:period(0.1))
    for _ = 1, 10 do judge("raised") end
    assert.equal(60, failing:period(0.1))
    assert.equal(300, failing:period(300))
  end)

  it("delays restarts ever longer, up to 30 s, and begins anew after a minute's run", function()
    local least = { 0.8, 1.6, 3.2, 6.4, 12.8, 24, 24 }
    for i, at_least in ipairs(least) do
      local delay = failing:delay(59)
      assert(delay >= at_least and delay <= at_least * 1.25, ("%d: %g"):format(i, delay))
    end
    assert(failing:delay(61) <= 1)
  end)
end)
