-- SPDX-License-Identifier: MIT
-- Found by throwing things at it: string.gsub whose replacement calls gsub, and so on, ran over the end of the process's stack,
-- and so did coroutines inside coroutines.
local environment = require("peerage.environment")

local function run(code) return setfenv(assert(loadstring(code, "=code")), environment.new())() end

describe("gsub inside gsub, or a coroutine inside a coroutine,", function()
  it("ends with an error before the stack does, as a method and in a table's metamethod too", function()
    for _, code in ipairs({
      "local function again() return (string.gsub('x', 'x', again)) end return again()",
      "local function again() return (('x'):gsub('x', again)) end return again()",
      "local t = setmetatable({}, {}) getmetatable(t).__index = function() return (('x'):gsub('x', t)) end return t.x",
      "local function again() return (coroutine.wrap(function() return (('x'):gsub('x', again)) end)()) end return again()",
      "local function again() return (coroutine.wrap(again)()) end return again()",
      "local function again() local _, m = coroutine.resume(coroutine.create(again)) error(m, 0) end return again()",
      "local function again() return (coroutine.wrap(function() table.sort({ 2, 1 }, again) end)()) end return again()",
    }) do
      assert.error_matches(function() run(code) end, "stack overflow: more than 150 gsub and coroutines inside each other")
    end
  end)

  it("works to a depth that somebody may want, and after an error as before", function()
    local code = [[
      local function nested(depth) return depth == 0 and "end" or (("x"):gsub("x", function() return nested(depth - 1) end)) end
      for _ = 1, 300 do pcall(string.gsub, "x", "x", error) end
      return nested(149)]]
    assert.equal("end", run(code))
  end)

  it("leaves coroutines what they were", function()
    assert.same({ 1, 2, 3 }, { run([[
      local found = {}
      for n in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do found[#found + 1] = n end
      return unpack(found)]]) })
    assert.same({ true, 5, nil, 7 }, { run("return coroutine.resume(coroutine.create(function(...) return ... end), 5, nil, 7)") })
    assert.same({ false, "boom" }, { run("return coroutine.resume(coroutine.create(function() error('boom', 0) end))") })
    assert.error_matches(function() run("coroutine.resume(1)") end, "bad argument")
    assert.error_matches(function() run("local f = coroutine.wrap(print) f() f()") end, "cannot resume dead coroutine")
    assert.equal("x", run("for _ = 1, 500 do pcall(coroutine.wrap(error)) end return (('x'):gsub('y', print))"))
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
