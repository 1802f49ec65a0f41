-- SPDX-License-Identifier: MIT
local text_keys = require("peerage.text_keys")

describe("text_keys", function()
  it("makes strings of the numbers that are keys, but not of a list's", function()
    assert.same({ ["1"] = "x", zone = "b" }, text_keys({ "x", zone = "b" }))
    assert.same({ ["5"] = "y", ["0.5"] = "z" }, text_keys({ [5] = "y", [0.5] = "z" }))
    assert.same({ a = { "x", { ["2"] = true } } }, text_keys({ a = { "x", { [2] = true } } }))
  end)

  it("has what was a string stand where both are there", function()
    assert.same({ ["1"] = "text" }, text_keys({ "number", ["1"] = "text" }))
  end)

  it("leaves alone what has no such keys", function()
    for _, value in ipairs({ "x", 5, { 1, 2 }, {}, { a = {} }, { [true] = 1 } }) do assert.same(value, text_keys(value)) end
    assert.is_nil(text_keys(nil))
  end)
end)
