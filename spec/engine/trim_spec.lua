-- SPDX-License-Identifier: MIT
-- Blanks around a text.
local trim = require("engine.trim")

describe("trim", function()
  it("takes blanks away on both sides, and none inside", function()
    for given, expected in pairs({ [""] = "", ["  "] = "", a = "a", [" \t a b\r\n"] = "a b", ["\n\n"] = "", ["a "] = "a", [" a"] = "a" }) do
      assert.equal(expected, trim(given))
    end
  end)

  it("takes time in proportion to the length", function()
    local blanks = (" "):rep(2000000)
    local started = os.clock()
    for _, text in ipairs({ blanks, "a" .. blanks, blanks .. "a", "a" .. blanks .. "b" }) do trim(text) end
    assert.is_true(os.clock() - started < 1)
  end)
end)
