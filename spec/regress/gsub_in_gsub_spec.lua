-- SPDX-License-Identifier: MIT
-- Found by throwing things at it: string.gsub whose replacement calls gsub, and so on, ran over the end of the process's stack.
local environment = require("peerage.environment")

local function run(code) return setfenv(assert(loadstring(code, "=code")), environment.new())() end

describe("gsub inside gsub", function()
  it("ends with an error before the stack does, as a method and in a table's metamethod too", function()
    for _, code in ipairs({
      "local function again() return (string.gsub('x', 'x', again)) end return again()",
      "local function again() return (('x'):gsub('x', again)) end return again()",
      "local t = setmetatable({}, {}) getmetatable(t).__index = function() return (('x'):gsub('x', t)) end return t.x",
      "local function again() return (coroutine.wrap(function() return (('x'):gsub('x', again)) end)()) end return again()",
    }) do
      assert.error_matches(function() run(code) end, "stack overflow: more than 100 gsub inside each other")
    end
  end)

  it("works to a depth that somebody may want, and after an error as before", function()
    local code = [[
      local function nested(depth) return depth == 0 and "end" or (("x"):gsub("x", function() return nested(depth - 1) end)) end
      for _ = 1, 300 do pcall(string.gsub, "x", "x", error) end
      return nested(99)]]
    assert.equal("end", run(code))
  end)

  it("is else what it was", function()
    assert.same({ "b-b", 2 }, { run("return ('a-a'):gsub('a', 'b')") })
    assert.same({ "A-a", 1 }, { run("return ('a-a'):gsub('a', string.upper, 1)") })
    assert.same({ "1-a", 2 }, { run("return ('b-a'):gsub('%a', { b = 1 })") })
    assert.error_matches(function() run("('a'):gsub('(', print)") end, "unfinished capture")
    assert.error_matches(function() run("string.gsub('a', {}, print)") end, "bad argument #2 to 'gsub'")
    assert.error_matches(function() run("('a'):gsub('a', function() return {} end)") end, "invalid replacement value")
  end)
end)
