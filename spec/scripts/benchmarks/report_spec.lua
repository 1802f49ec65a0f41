-- SPDX-License-Identifier: MIT
require("support.scripts")
local json = require("cjson")
local report = require("benchmarks.report")

local function row(fields)
  local made = {
    work = "udp.1000", title = "announcements, 1,000 names", peer = "peerage-lua", median = 250, low = 240, high = 1260,
    unit = "ns", ratio = 1.25, budget = 1.4, budget_of = "ratio", samples = 5, met = true,
  }
  for name, value in pairs(fields or {}) do made[name] = value end
  return made
end

-- The cells of a line of the table.
local function cells(line)
  local list = {}
  for cell in line:gmatch("|([^|]+)") do list[#list + 1] = cell:match("^%s*(.-)%s*$") end
  return list
end

describe("report.number", function()
  local function check(text, value)
    it(("writes %s for %.10g"):format(text, value), function() assert.equal(text, report.number(value)) end)
  end

  check("0", 0)
  check("0.0042", 0.0042)
  check("0.12", 0.123)
  check("9.99", 9.988)
  check("10.4", 10.44)
  check("100", 100)
  check("999", 999.4)
  check("1,000", 999.6)
  check("100,000", 100000)
  check("1,234,568", 1234567.8)
  check("-0.22", -0.22)
  check("-1,234", -1234)
  check("-100", -100)
end)

describe("report.line", function()
  it("has as many cells as the head, and as wide ones", function()
    local head = report.head():match("^[^\n]+")
    assert.equal(#head, #report.line(row()))
    assert.equal(#cells(head), #cells(report.line(row())))
  end)

  it("says what was measured of whom, what the rounds lay between, and that the budget is met", function()
    assert.same({ "announcements, 1,000 names", "peerage-lua", "250 ns", "240 to 1,260", "5", "1.25", "1.4 x: met" },
      cells(report.line(row())))
  end)

  it("says that a budget is missed, and gives one that is no ratio its unit", function()
    local shown = cells(report.line(row({ budget = 200, budget_of = "median", met = false })))
    assert.equal("200 ns: MISSED", shown[7])
  end)

  it("names a budget that was not judged, and leaves empty what there is not", function()
    local unjudged = row()
    unjudged.met = nil
    assert.equal("1.4 x", cells(report.line(unjudged))[7])
    unjudged.budget, unjudged.ratio = nil, nil
    assert.same({ "", "" }, { unpack(cells(report.line(unjudged)), 6) })
  end)
end)

describe("report.json", function()
  it("is one line with every key, null where there is nothing", function()
    local bare = row({ peer = "bare C" })
    bare.budget, bare.budget_of, bare.met, bare.ratio = nil, nil, nil, nil
    local text = report.json(bare)
    assert.is_nil(text:find("\n", 1, true))
    assert.same({
      work = "udp.1000", peer = "bare C", median = 250, spread = { 240, 1260 }, unit = "ns", ratio = json.null,
      samples = 5, budget = json.null, budget_of = json.null, met = json.null,
    }, json.decode(text))
  end)

  it("says what the budget is of", function()
    assert.equal("ratio", json.decode(report.json(row())).budget_of)
    assert.equal("median", json.decode(report.json(row({ budget_of = "median" }))).budget_of)
  end)

  it("tells a missed budget from one that was not judged", function()
    assert.is_false(json.decode(report.json(row({ met = false }))).met)
    assert.is_true(json.decode(report.json(row({ met = true }))).met)
  end)
end)
