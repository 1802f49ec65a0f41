-- SPDX-License-Identifier: MIT
-- Deferred values: the four forms, joins, apply, and that an unset variable never passes for a value.
local deferred = require("peerage.deferred")
local hostile = require("spec.support.hostile")

local system, env, apply = deferred.system, deferred.env, deferred.apply

local SECRET = "correct horse battery"
local variables = { PORT = "4000", HOST = "10.0.0.1", EMPTY = "", WORD = SECRET }

local function resolve(value)
  return deferred.resolve(value, "config.lua", function(name) return variables[name] end)
end

local function refusal(value)
  local result, message = resolve(value)
  assert.is_nil(result)
  assert.is_string(message)
  return message
end

describe("a system value", function()
  it("is the variable's text", function() assert.equal("4000", resolve(system("PORT"))) end)

  it("is converted", function() assert.equal(4000, resolve(system("PORT", tonumber))) end)

  it("has a default for a variable that is unset or empty", function()
    assert.equal("4000", resolve(system("PORT", 1)))
    assert.equal(1, resolve(system("UNSET", 1)))
    assert.equal(1, resolve(system("EMPTY", 1)))
    assert.equal("", resolve(system("UNSET", "")))
    assert.same({ "a", "10.0.0.1" }, resolve(system("UNSET", { "a", system("HOST") })))
  end)

  it("has a default and a conversion, which leaves the default alone", function()
    local function never() error("converted a default") end
    assert.equal(4000, resolve(system("PORT", 1, tonumber)))
    assert.equal(1, resolve(system("UNSET", 1, never)))
  end)

  it("may convert to false", function()
    assert.same({ on = false }, resolve({ on = system("PORT", function(text) return text == "yes" end) }))
  end)

  it("is called env, too", function() assert.equal("4000", resolve(env("PORT"))) end)

  it("with the default false leaves its key out when unset", function()
    assert.same({ b = "10.0.0.1" }, resolve({ a = system("UNSET", false), b = system("HOST", false) }))
    assert.same({ c = 1 }, resolve({ c = 1, a = system("EMPTY", false, tonumber) }))
  end)

  it("with the default false closes up its list", function()
    assert.same({ "a", "10.0.0.1", "c", key = 1 }, resolve({ "a", env("UNSET", false), env("HOST"), env("EMPTY", false), "c", key = 1 }))
  end)
end)

describe("an unset variable", function()
  it("without a default is an error that names key and variable", function()
    assert.equal("config.lua: secret: environment variable S is not set", refusal({ secret = system("S") }))
    assert.equal("config.lua: secret: environment variable S is not set", refusal({ secret = system("S", tonumber) }))
    assert.equal("config.lua: secret: environment variable S is not set", refusal({ secret = system("S", nil, tonumber) }))
  end)

  it("fails as well when it is empty", function()
    assert.equal("config.lua: secret: environment variable EMPTY is not set (it is empty)", refusal({ secret = system("EMPTY") }))
    assert.equal("config.lua: secret: environment variable EMPTY is not set (it is empty)",
      refusal({ secret = system("EMPTY", tonumber) }))
  end)

  it("fails inside a join, even with the default false", function()
    assert.equal("config.lua: name: environment variable S is not set", refusal({ name = "app@" .. system("S") }))
    assert.equal("config.lua: name: environment variable EMPTY is not set (it is empty)",
      refusal({ name = system("PORT") .. system("EMPTY") .. "x" }))
    assert.equal('config.lua: name: system("S") has no value to join: give it a default',
      refusal({ name = "app@" .. system("S", false) }))
  end)

  it("fails as an argument of apply", function()
    assert.equal("config.lua: a: deep: environment variable S is not set", refusal({ a = apply(tostring, { deep = system("S") }) }))
  end)

  it("is found at any depth and its place is said", function()
    assert.equal("config.lua: clusters.web: secret: environment variable S is not set",
      refusal({ clusters = { web = { secret = system("S") } } }))
    assert.equal("config.lua: clusters.web: node_list[2]: environment variable S is not set",
      refusal({ clusters = { web = { node_list = { "a@b", system("S") } } } }))
    assert.equal("config.lua: via: servers[1]: environment variable S is not set",
      refusal({ via = { "dns", servers = { system("S") } } }))
    assert.equal("config.lua: environment variable S is not set", refusal(system("S")))
  end)
end)

describe("a conversion that fails", function()
  it("is an error that names the variable and not its value", function()
    local function raise(text) error("cannot read " .. text) end
    for _, convert in ipairs({ raise, tonumber, function() end }) do
      local message = refusal({ word = system("WORD", convert) })
      assert.matches("^config.lua: word: environment variable WORD: its conversion r", message)
      assert.is_nil(message:find("horse", 1, true))
    end
  end)

  it("is no reason to take the default", function()
    assert.equal("config.lua: port: environment variable WORD: its conversion returned nil",
      refusal({ port = system("WORD", 1, tonumber) }))
  end)
end)

describe("a join", function()
  it("takes strings, numbers and deferred values on both sides", function()
    assert.equal("app@10.0.0.1", resolve("app@" .. env("HOST")))
    assert.equal("10.0.0.1:4000", resolve(env("HOST") .. ":" .. env("PORT")))
    assert.equal("40001", resolve(env("PORT") .. 1))
    assert.equal("10.0.0.14000x", resolve(env("HOST") .. env("PORT", tonumber) .. "x"))
    assert.equal("x-dflt", resolve("x-" .. env("UNSET", "dflt")))
    assert.equal("x-applied", resolve("x-" .. apply(function() return "applied" end)))
  end)

  it("with anything else raises where it stands", function()
    assert.has_error(function() return env("HOST") .. {} end,
      "expected a string to join with a deferred value, found a table")
    assert.has_error(function() return nil .. env("HOST") end,
      "expected a string to join with a deferred value, found nothing")
  end)

  it("of what turns out to be no text is an error", function()
    assert.equal("config.lua: a: expected a string to join, found a table", refusal({ a = "x" .. env("UNSET", {}) }))
    assert.equal("config.lua: a: expected a string to join, found a boolean",
      refusal({ a = "x" .. env("HOST", function() return false end) }))
  end)
end)

describe("apply", function()
  it("calls its function at each resolution, with its arguments resolved", function()
    local calls = 0
    local function sum(a, b, options)
      calls = calls + 1
      return a + b + options.c
    end
    local value = { total = apply(sum, 1, env("PORT", tonumber), { c = env("UNSET", 5) }) }
    assert.equal(0, calls)
    assert.same({ total = 4006 }, resolve(value))
    resolve(value)
    assert.equal(2, calls)
  end)

  it("keeps nil arguments and gives false for one that is left out", function()
    assert.same({ 3, "false" }, resolve(apply(function(...) return { select("#", ...), tostring((select(3, ...))) } end,
      nil, 1, env("UNSET", false))))
  end)

  it("may return tables with deferred values, and false", function()
    assert.same({ a = { "10.0.0.1" }, b = false }, resolve({
      a = apply(function() return { env("HOST") } end), b = apply(function() return false end),
    }))
  end)

  it("that raises or returns nil is an error with the reason", function()
    assert.equal("config.lua: a: apply: the function raised an error: no file", refusal({ a = apply(error, "no file") }))
    assert.equal("config.lua: a: apply: the function returned nil: no file",
      refusal({ a = apply(function() return nil, "no file" end) }))
    assert.equal("config.lua: a: apply: the function returned nil", refusal({ a = apply(function() end) }))
    assert.equal("config.lua: a: apply: the function raised an error",
      refusal({ a = apply(function() error(hostile.table({})) end) }))
  end)

  it("does not tell a reason that could hold a variable's value", function()
    local message = refusal({ a = apply(error, { env("WORD") }) })
    assert.equal("config.lua: a: apply: the function raised an error", message)
    message = refusal({ a = apply(error, "bad " .. env("WORD")) })
    assert.is_nil(message:find("horse", 1, true))
  end)

  it("that answers with itself for ever is an error", function()
    local function again() return apply(again) end
    assert.matches("nested more than 200 levels deep", refusal({ a = apply(again) }), 1, true)
  end)
end)

describe("a wrong call", function()
  for what, case in pairs({
    ["without a name"] = { function() system() end, "system: expected the name of an environment variable, found nothing" },
    ["with a number for a name"] = { function() system(42) end,
      "system: expected the name of an environment variable, found a number (42)" },
    ["with an empty name"] = { function() system("") end, 'system: expected the name of an environment variable, found ""' },
    ["with a misspelt conversion"] = { function() system("PORT", tonumer) end, -- luacheck: ignore tonumer
      'system("PORT"): its default or conversion is nil: is it spelt right?' },
    ["with a conversion that is no function"] = { function() system("PORT", 1, 2) end,
      'system("PORT"): expected a function as its conversion, found a number (2)' },
    ["with too much"] = { function() system("PORT", 1, tonumber, 4) end,
      'system("PORT"): expected at most a name, a default and a conversion' },
    ["of apply"] = { function() apply("fn") end, 'apply: expected a function, found "fn"' },
  }) do
    it(what .. " raises", function() assert.has_error(case[1], case[2]) end)
  end
end)

describe("a deferred value that is used before it is resolved", function()
  local port = system("PORT")
  for how, use in pairs({
    ["added to"] = function() return port + 1 end,
    ["subtracted"] = function() return 1 - port end,
    ["multiplied"] = function() return port * 2 end,
    ["negated"] = function() return -port end,
    ["measured"] = function() return #port end,
    ["indexed"] = function() return port:upper() end,
    ["changed"] = function() port.x = 1 end,
    ["called"] = function() return port() end,
    ["compared"] = function() return port < system("HOST") end,
    ["converted"] = function() return deferred.tonumber(port) end,
  }) do
    it("raises when it is " .. how, function()
      assert.has_error(use, 'system("PORT") is resolved later and cannot be ' .. how
        .. ' here: convert it where it stands, as in system("PORT", tonumber), or compute with apply(fn, system("PORT"))')
    end)
  end

  it("raises when two of them are compared", function()
    assert.error_matches(function() return port == system("PORT") end, "cannot be compared here")
  end)

  it("is refused when it was made text", function()
    assert.equal('config.lua: name: a deferred value was made text before it was resolved: join it with ".." instead',
      refusal({ name = string.format("app@%s", env("HOST")) }))
  end)

  it("does not reveal its value as text, and its metatable is closed", function()
    assert.equal('<deferred system("WORD")>', tostring(system("WORD", SECRET)))
    assert.equal("deferred value", getmetatable(port))
  end)
end)

describe("what tonumber in a config does", function()
  it("is what tonumber does", function()
    assert.equal(12, deferred.tonumber("12"))
    assert.equal(255, deferred.tonumber("ff", 16))
    assert.is_nil(deferred.tonumber("x"))
    assert.equal(4000, resolve(system("PORT", deferred.tonumber)))
  end)
end)

describe("resolving", function()
  it("copies tables and leaves everything else alone", function()
    local given = { a = { 1, { "x" } }, f = print, b = false, [3] = 4, [1.5] = 2 }
    local got = resolve(given)
    assert.same(given, got)
    assert.are_not.equal(given, got)
    assert.are_not.equal(given.a[2], got.a[2])
  end)

  it("is repeatable: the config itself is not changed", function()
    local given = { port = system("PORT") }
    resolve(given)
    variables.PORT = "5000"
    finally(function() variables.PORT = "4000" end)
    assert.same({ port = "5000" }, resolve(given))
  end)

  it("goes round a cycle once and keeps what is shared shared", function()
    local shared = { env("HOST") }
    local given = { a = shared, b = shared }
    given.itself = given
    local got = resolve(given)
    assert.equal(got, got.itself)
    assert.equal(got.a, got.b)
    assert.same({ "10.0.0.1" }, got.a)
  end)

  it("reads tables past their metamethods and leaves metatables behind", function()
    local got = resolve({ a = hostile.table({ env("HOST"), x = 1 }) })
    assert.is_nil(getmetatable(got.a))
    assert.same({ "10.0.0.1", x = 1 }, got.a)
  end)

  it("refuses numbers that are not finite, wherever they stand", function()
    assert.equal("config.lua: a.b: c[1]: expected a finite number, found nan", refusal({ a = { b = { c = { 0 / 0 } } } }))
    assert.equal("config.lua: a: expected a finite number, found inf", refusal({ a = apply(function() return math.huge end) }))
  end)

  it("refuses a deferred value as a key", function()
    assert.equal('config.lua: a: system("PORT") cannot be a key', refusal({ a = { [system("PORT")] = 1 } }))
  end)

  it("refuses tables that are too deep, without an overflow", function()
    local given = {}
    for _ = 1, 100000 do given = { given } end
    local message = refusal({ a = given })
    assert.matches("nested more than 200 levels deep$", message)
    assert.is_true(#message < 120)
  end)

  it("takes any number of tables beside one another", function()
    local given = {}
    for i = 1, 500 do given[i] = { i, env("HOST") } end
    assert.same({ 500, "10.0.0.1" }, resolve(given)[500])
  end)

  it("of an absent value is nil without a message", function()
    assert.same({ n = 1 }, { n = select("#", resolve(env("UNSET", false))) })
    assert.is_nil(resolve(nil))
  end)

  it("reads the process's environment unless told otherwise", function()
    assert.equal(os.getenv("PATH"), (deferred.resolve(system("PATH"), "config.lua")))
  end)
end)
