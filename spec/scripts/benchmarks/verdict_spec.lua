-- SPDX-License-Identifier: MIT
require("support.scripts")
local verdict = require("benchmarks.verdict")

describe("verdict.ratio", function()
  it("is of the engine's cost to the bare loop's", function() assert.equal(1.5, verdict.ratio(3, 2)) end)

  it("is none where one of both is not above zero, or there is no bare loop", function()
    for _, costs in ipairs({ { 3, 0 }, { 3, -2 }, { 0, 2 }, { -3, 2 }, { 0, 0 }, { 3 } }) do
      assert.is_nil(verdict.ratio(unpack(costs, 1, 2)))
    end
  end)
end)

describe("verdict.is_met", function()
  it("is, up to the limit", function()
    assert.is_true(verdict.is_met({ median = 300, ratio = 1.4 }, { ratio = 1.4 }))
    assert.is_false(verdict.is_met({ median = 300, ratio = 1.41 }, { ratio = 1.4 }))
    assert.is_true(verdict.is_met({ median = 20, ratio = 7 }, { most = 20 }))
    assert.is_true(verdict.is_met({ median = 0 }, { most = 20 }))
    assert.is_false(verdict.is_met({ median = 20.1, ratio = 1 }, { most = 20 }))
  end)

  it("is not by what cannot be", function()
    assert.is_false(verdict.is_met({ median = 1 }, { ratio = 1.4 }))
    assert.is_false(verdict.is_met({ median = -1 }, { most = 20 }))
    assert.is_false(verdict.is_met({ median = 0 / 0, ratio = 0 / 0 }, { most = 20 }))
    assert.is_false(verdict.is_met({ median = 0 / 0, ratio = 0 / 0 }, { ratio = 1.4 }))
  end)

  it("is by a growth below zero", function()
    assert.is_true(verdict.is_met({ median = -0.1 }, { most = 0.2, may_fall = true }))
  end)
end)

describe("verdict.possible", function()
  it("leaves out what costs nothing, or less, or is no number", function()
    local one, two = { size = 1, cost = 5 }, { size = 10, cost = 0.1 }
    local points = { one, { size = 2, cost = 0 }, { size = 3, cost = -1 }, { size = 4, cost = 0 / 0 }, two }
    assert.same({ one, two }, verdict.possible(points))
  end)
end)
