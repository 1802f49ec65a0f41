-- SPDX-License-Identifier: MIT
-- One option's value: what each type accepts, and the words in which it refuses the rest.
local hostile = require("spec.support.hostile")
local option = require("peerage.option")

local function read(entry, value)
  local ok, result = option.read(entry, value, "at")
  assert.is_true(ok, result)
  return result
end

local function refusal(entry, value)
  local ok, message = option.read(entry, value, "at")
  assert.is_false(ok)
  return message
end

describe("an integer", function()
  local port = { type = "integer", min = 1, max = 65535 }

  it("is accepted within its bounds", function()
    assert.equal(1, read(port, 1))
    assert.equal(65535, read(port, 65535))
  end)

  it("is refused beyond them, and with a fraction", function()
    assert.equal("at: expected an integer from 1 to 65535, found 0", refusal(port, 0))
    assert.equal("at: expected an integer from 1 to 65535, found 65536", refusal(port, 65536))
    assert.equal("at: expected an integer from 1 to 65535, found 1.5", refusal(port, 1.5))
    assert.equal("at: expected an integer, found 1e+300", refusal({ type = "integer" }, 1e300))
  end)

  it("is not a string, and one that holds a number says add tonumber", function()
    assert.equal('at: expected an integer from 1 to 65535, found "x"', refusal(port, "x"))
    assert.equal('at: expected an integer from 1 to 65535, found "4000": add tonumber, as in system("NAME", tonumber)',
      refusal(port, "4000"))
  end)

  it("is not another type", function()
    assert.equal("at: expected an integer from 1 to 65535, found a boolean (true)", refusal(port, true))
    assert.equal("at: expected an integer from 1 to 65535, found a table", refusal(port, hostile.table({})))
  end)
end)

describe("a number", function()
  it("is never nan or infinite", function()
    for _, value in ipairs({ 0 / 0, 1 / 0, -1 / 0 }) do
      assert.matches("^at: expected a number, found %-?%l+$", refusal({ type = "number" }, value))
    end
  end)

  it("may have one bound", function()
    assert.equal("at: expected a number of at least 0.1, found 0", refusal({ type = "number", min = 0.1 }, 0))
    assert.equal("at: expected a number of at most 3, found 4", refusal({ type = "number", max = 3 }, 4))
  end)
end)

describe("a string", function()
  it("is bounded by its length in bytes", function()
    assert.equal("ab", read({ type = "string", min = 2 }, "ab"))
    assert.equal('at: expected a string of at least 1 byte, found ""', refusal({ type = "string", min = 1 }, ""))
    assert.equal('at: expected a string of 2 to 3 bytes, found "abcd"', refusal({ type = "string", min = 2, max = 3 }, "abcd"))
  end)

  it("that is secret is never shown", function()
    local secret = { type = "string", min = 16, secret = true }
    assert.equal("at: expected a string of at least 16 bytes, found a string of 7 bytes", refusal(secret, "hunter2"))
    assert.equal("at: expected a string of at least 16 bytes, found a number", refusal(secret, 8675309))
  end)

  it("may have to be one of a few, with the nearest named", function()
    local level = { type = "string", values = { "debug", "info" } }
    assert.equal('at: expected "debug" or "info", found "inof": did you mean "info"?', refusal(level, "inof"))
    assert.equal('at: expected "debug" or "info", found a number (1)', refusal(level, 1))
    assert.equal("info", read(level, "info"))
  end)
end)

describe("a range", function()
  local range = { type = "range", min = 0.1, max = 60 }

  it("is a number or a pair, and reads as a pair", function()
    assert.same({ 5, 5 }, read(range, 5))
    assert.same({ 3, 7 }, read(range, { 3, 7 }))
  end)

  it("is read past its metamethods", function()
    assert.same({ 3, 7 }, read(range, hostile.table({ 3, 7 })))
    assert.matches("found a table", refusal(range, hostile.table({})), 1, true)
  end)

  it("is refused when it is upside down or out of bounds", function()
    local expected = "at: expected a number or { min, max } from 0.1 to 60, found "
    assert.equal(expected .. "{ 7, 3 }", refusal(range, { 7, 3 }))
    assert.equal(expected .. "{ 3, 61 }", refusal(range, { 3, 61 }))
    assert.equal(expected .. "0", refusal(range, 0))
    assert.equal(expected .. "a table", refusal(range, { 3 }))
    assert.equal(expected .. '"3": add tonumber, as in system("NAME", tonumber)', refusal(range, "3"))
  end)

  it("that is not finite is refused", function()
    assert.matches("found a table", refusal(range, { 3, 0 / 0 }), 1, true)
    assert.matches("found inf", refusal(range, 1 / 0), 1, true)
  end)
end)

describe("a list", function()
  local names = { type = "list", of = { type = "string" }, min = 1 }

  it("is copied", function()
    local given = { "a", "b" }
    local got = read(names, given)
    assert.same(given, got)
    assert.are_not.equal(given, got)
  end)

  it("names the item that is wrong", function()
    assert.equal("at[2]: expected a string, found a number (3)", refusal(names, { "a", 3 }))
  end)

  it("has neither names nor holes, and not too few items", function()
    assert.equal("at: expected a list, found the key dns", refusal(names, { "a", dns = 1 }))
    assert.equal("at: expected a list, found the key [0]", refusal(names, { [0] = "a" }))
    assert.equal("at: expected a list without holes, item 2 is nil", refusal(names, { "a", nil, "c" }))
    assert.equal("at: expected a list of at least 1 item, found 0 items", refusal(names, {}))
    assert.equal('at: expected a list of at least 1 item, found "a": write { "a" }', refusal(names, "a"))
  end)

  it("is read past its metamethods", function()
    assert.same({ "a" }, read(names, hostile.table({ "a" })))
  end)
end)

describe("a node", function()
  it("is a node name, or a table that has one", function()
    assert.equal("app@10.0.0.1", read({ type = "node" }, "app@10.0.0.1"))
    assert.same({ name = "app@10.0.0.1", port = 9 }, read({ type = "node" }, { name = "app@10.0.0.1", port = 9 }))
  end)

  it("that is wrong says what a node name is", function()
    assert.matches('^at: expected a node name.*found "app"', refusal({ type = "node" }, "app"))
    assert.matches("^at%[1%]: expected a node name", refusal({ type = "list", of = { type = "node" } }, { "app" }))
  end)
end)

describe("an option of several types", function()
  local secret = { type = { "string", "list" }, of = { type = "string" } }

  it("accepts each", function()
    assert.equal("a", read(secret, "a"))
    assert.same({ "a" }, read(secret, { "a" }))
    assert.is_false(read({ type = { "boolean", "string" } }, false))
  end)

  it("names all of them when it refuses", function()
    assert.equal("at: expected a string or a list, found a number (3)", refusal(secret, 3))
    assert.equal("at[1]: expected a string, found a number (3)", refusal(secret, { 3 }))
  end)
end)

describe("a check", function()
  it("refuses with its message", function()
    local even = { type = "integer", check = function(value) return value % 2 == 0 or nil, "expected an even one" end }
    assert.equal(2, read(even, 2))
    assert.equal("at: expected an even one", refusal(even, 3))
  end)

  it("without a message is still a refusal with words", function()
    assert.equal("at: refused by its check, found 3", refusal({ type = "integer", check = function() return false end }, 3))
  end)

  it("that raises is a refusal", function()
    local broken = { type = "any", check = function() error("oops", 0) end }
    assert.equal("at: its check raised: oops", refusal(broken, 3))
    local odd = { type = "any", check = function() error(hostile.table({})) end }
    assert.equal("at: its check raised: a table", refusal(odd, 3))
  end)
end)

describe("the other types", function()
  it("say what they are", function()
    assert.equal('at: expected true or false, found "true"', refusal({ type = "boolean" }, "true"))
    assert.equal("at: expected a function, found a table", refusal({ type = "function" }, hostile.table({})))
    assert.equal("at: expected a table, found a number (1)", refusal({ type = "table" }, 1))
    assert.equal(print, read({ type = "function" }, print))
  end)
end)
