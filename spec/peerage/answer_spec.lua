-- SPDX-License-Identifier: MIT
-- What poll() may return, and what is said about what it may not.
local answer = require("peerage.answer")
local hostile = require("spec.support.hostile")

describe("answer.read", function()
  it("takes a list as complete", function()
    local list = { "a@h" }
    local read = answer.read(list)
    assert.equal("complete", read.kind)
    assert.equal(list, read.list)
    assert.is_nil(read.message)
  end)

  it("takes an empty list as complete: there are none, and that is certain", function()
    assert.equal("complete", answer.read({}).kind)
  end)

  it("takes a list that also has a name for a list", function()
    assert.equal("complete", answer.read({ "a@h", name = "mine" }).kind)
  end)

  it("takes a list and a message as a part", function()
    local read = answer.read({ "a@h" }, "no answer from b")
    assert.same({ kind = "partial", list = { "a@h" }, message = "no answer from b" }, read)
  end)

  it("takes nil and a message as not knowing", function()
    assert.same({ kind = "unknown", message = "timed out" }, answer.read(nil, "timed out"))
  end)

  for what, case in pairs({
    ["nothing at all"] = { nil, nil, "poll() returned nil without a reason" },
    ["a number"] = { 42, nil, "poll() returned a number (42): expected a list of nodes" },
    ["a boolean"] = { false, "down", "poll() returned a boolean (false): expected a list of nodes" },
    ["a function"] = { print, nil, "poll() returned a function: expected a list of nodes" },
    ["what is said instead of a list"] = {
      { error = "overloaded" }, nil, "poll() returned a table with the key error: expected a list of nodes",
    },
    ["one node"] = {
      { name = "a@h", port = 1 }, nil,
      'poll() returned one node: expected a list of nodes, such as { { name = "app@10.0.0.1" } }',
    },
  }) do
    it("refuses " .. what, function()
      local read, message = answer.read(case[1], case[2])
      assert.is_nil(read)
      assert.equal(case[3], message)
    end)
  end

  it("refuses a string and asks for the braces", function()
    local read, message = answer.read("a@h")
    assert.is_nil(read)
    assert.is_truthy(message:find("expected a list of nodes: did you forget the braces?", 1, true), message)
  end)

  it("describes a message that is not a string", function()
    local expected = "poll() gave as its reason a number (5): expected a string"
    assert.same({ kind = "unknown", message = expected }, answer.read(nil, 5))
    assert.equal(expected, answer.read({}, 5).message)
    assert.equal("partial", answer.read({}, false).kind)
    assert.equal("poll() gave an empty reason", answer.read(nil, "").message)
  end)

  it("runs no metamethod of what it is given", function()
    local list = hostile.table({ "a@h" })
    assert.equal("complete", answer.read(list).kind)
    assert.is_nil((answer.read(hostile.table({ name = hostile.table({}) }))))
    assert.equal("poll() gave as its reason a table: expected a string", answer.read(nil, hostile.table({})).message)
  end)
end)
