-- SPDX-License-Identifier: MIT
require("support.scripts")
local comparison = require("benchmarks.comparison")
local json = require("cjson")

describe("comparison.compare", function()
  it("takes what differs by 10 % at most", function()
    for _, now in ipairs({ 900.1, 1000, 1099.9 }) do
      local row = comparison.compare("udp", 1000, now)
      assert.is_true(row.is_ok)
      assert.is_nil(row.remark)
    end
    assert.near(0.0999, comparison.compare("udp", 1000, 1099.9).change, 1e-9)
  end)

  it("refuses a rise of more", function()
    local row = comparison.compare("udp", 1000, 1101)
    assert.is_false(row.is_ok)
    assert.equal("expected at most +10 %", row.remark)
  end)

  it("wants to keep what got better by more", function()
    local row = comparison.compare("udp", 1000, 899)
    assert.is_true(row.is_ok)
    assert.equal("it got better: keep it", row.remark)
  end)

  it("refuses what is not kept yet, and what is kept but not counted any more", function()
    local new, old = comparison.compare("udp", nil, 1000), comparison.compare("udp", 1000, nil)
    assert.same({ false, "is not kept yet" }, { new.is_ok, new.remark })
    assert.same({ false, "is not counted any more" }, { old.is_ok, old.remark })
  end)

  it("takes no count that cannot be for one that got better", function()
    for _, now in ipairs({ 0, -5, 0 / 0 }) do assert.is_false(comparison.compare("udp", 1000, now).is_ok) end
  end)
end)

describe("comparison.line", function()
  local function words(...) return (comparison.line(comparison.compare(...)):gsub("%s%s+", " ")) end

  it("says what is kept, what was counted, and by how much it differs", function()
    assert.equal("udp 2,000 2,100 +5.0 % ok", words("udp", 2000, 2100))
    assert.equal("udp 2,000 3,000 +50.0 % FAILED: expected at most +10 %", words("udp", 2000, 3000))
    assert.equal("udp 2,000 1,000 -50.0 % ok: it got better: keep it", words("udp", 2000, 1000))
    assert.equal("udp none 1,000 FAILED: is not kept yet", words("udp", nil, 1000))
    assert.equal("udp 1,000 none FAILED: is not counted any more", words("udp", 1000, nil))
  end)
end)

describe("comparison.differences", function()
  it("says which versions are others, by name", function()
    assert.same({
      "compiler is not known here, what is kept was counted with gcc 12",
      "libuv is 1.50 here, what is kept was counted with 1.44",
      "nettle is 3.8 here, what is kept was counted with another",
    }, comparison.differences({ libuv = "1.44", libc = "2.36", compiler = "gcc 12" }, { libuv = "1.50", libc = "2.36", nettle = "3.8" }))
  end)

  it("says nothing where they are the same", function()
    assert.same({}, comparison.differences({ libuv = "1.44" }, { libuv = "1.44" }))
  end)
end)

describe("comparison.encode", function()
  local versions, figures = { libc = 'glibc/2.36 "x"', cares = "1.18.1" }, { ["udp, bare C"] = 18.94, poll = 4362.27 }

  it("is JSON that reads as what was given, to a tenth of an instruction", function()
    assert.same({ versions = versions, figures = { ["udp, bare C"] = 18.9, poll = 4362.3 } },
      json.decode(comparison.encode(versions, figures)))
  end)

  it("has one figure a line, sorted, so that a change of one is one line of a diff", function()
    assert.equal([[
{
  "versions": {
    "cares": "1.18.1",
    "libc": "glibc/2.36 \"x\""
  },
  "figures": {
    "poll": 4362.3,
    "udp, bare C": 18.9
  }
}
]], comparison.encode(versions, figures))
  end)
end)
