-- SPDX-License-Identifier: MIT
require("support.scripts")
local statistics = require("benchmarks.statistics")

describe("statistics.median", function()
  it("is the one in the middle, whatever the order", function()
    assert.equal(3, statistics.median({ 9, 1, 3 }))
    assert.equal(7, statistics.median({ 7 }))
  end)

  it("is the mean of the two in the middle of an even number", function()
    assert.equal(2.5, statistics.median({ 100, 2, 3, 1 }))
  end)

  it("leaves the list as it is", function()
    local values = { 3, 1, 2 }
    statistics.median(values)
    assert.same({ 3, 1, 2 }, values)
  end)
end)

describe("statistics.exponent", function()
  local function points(sizes, cost)
    local list = {}
    for i, size in ipairs(sizes) do list[i] = { size = size, cost = cost(size) } end
    return list
  end

  local SIZES = { 10, 100, 1000, 10000 }

  it("is 0 of what is constant, 1 of what is linear, 2 of what is quadratic", function()
    assert.near(0, statistics.exponent(points(SIZES, function() return 5 end)), 1e-9)
    assert.near(1, statistics.exponent(points(SIZES, function(size) return 5 * size end)), 1e-9)
    assert.near(2, statistics.exponent(points(SIZES, function(size) return size * size / 7 end)), 1e-9)
  end)

  it("is that of the line that fits best where the points are on none", function()
    local list = { { size = 1, cost = 1 }, { size = 10, cost = 10 }, { size = 100, cost = 1000 } }
    assert.near(1.5, statistics.exponent(list), 1e-9)
  end)

  it("does not depend on the order of the points nor on the units", function()
    local list = { { size = 1, cost = 1 }, { size = 10, cost = 10 }, { size = 100, cost = 1000 } }
    local turned = { { size = 3, cost = 8 }, { size = 300, cost = 8000 }, { size = 30, cost = 80 } }
    assert.near(statistics.exponent(list), statistics.exponent(turned), 1e-9)
  end)
end)
