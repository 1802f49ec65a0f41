-- SPDX-License-Identifier: MIT
-- Whole option tables: unknown names, defaults, required options, and schemas that are wrong themselves.
local hostile = require("spec.support.hostile")
local schema = require("peerage.schema")

local options = {
  dns_name = { type = "string", default = "localhost" },
  port = { type = "integer", min = 1, max = 65535 },
  node_list = { type = "list", required = true },
}

local function validate(values)
  return schema.validate(options, values, "config.lua: clusters.web")
end

local function refusal(values)
  local result, message = validate(values)
  assert.is_nil(result)
  return message
end

describe("validated options", function()
  it("are a copy with defaults", function()
    local given = { node_list = {} }
    assert.same({ dns_name = "localhost", node_list = {} }, validate(given))
    assert.same({ node_list = {} }, given)
  end)

  it("do not share a default's table", function()
    local shared = { list = { type = "list", default = { 1 } } }
    local first = schema.validate(shared, {}, "at")
    first.list[1] = "changed"
    assert.same({ list = { 1 } }, (schema.validate(shared, {}, "at")))
  end)

  it("are refused with place, key, what was expected and what was found", function()
    assert.equal('config.lua: clusters.web: port: expected an integer from 1 to 65535, found "x"',
      refusal({ node_list = {}, port = "x" }))
  end)

  it("must have the required ones", function()
    assert.equal("config.lua: clusters.web: node_list: expected a list, found nothing: it is required", refusal({}))
  end)

  it("keep false where a default is true", function()
    assert.same({ a = false }, (schema.validate({ a = { type = "boolean", default = true } }, { a = false }, "at")))
  end)

  it("must be a table", function()
    assert.equal("config.lua: clusters.web: expected a table of options, found a number (3)", refusal(3))
  end)

  it("are read past their metamethods", function()
    assert.same({ dns_name = "x", node_list = {} }, validate(hostile.table({ dns_name = "x", node_list = {} })))
    assert.matches("dns_name: expected a string, found a table", refusal({ node_list = {}, dns_name = hostile.table({}) }), 1, true)
  end)
end)

describe("an unknown option", function()
  it("is refused with the nearest name", function()
    assert.equal('config.lua: clusters.web: unknown option "prot": did you mean "port"?', refusal({ prot = 1 }))
  end)

  it("is refused with all names when none is near", function()
    assert.equal('config.lua: clusters.web: unknown option "cookie": known options are dns_name, node_list, port',
      refusal({ cookie = 1 }))
  end)

  it("may be near to a name from elsewhere", function()
    local _, message = schema.validate(options, { intervall = 3 }, "at", { "interval" })
    assert.equal('at: unknown option "intervall": did you mean "interval"?', message)
  end)

  it("is refused where there are no options at all", function()
    local _, message = schema.validate({}, { a = 1 }, "at")
    assert.equal('at: unknown option "a": there are no options here', message)
  end)

  it("is escaped", function()
    assert.matches([[unknown option "\027[2J\n"]], refusal({ ["\27[2J\n"] = 1 }), 1, true)
  end)

  it("is refused when it is no name", function()
    assert.equal("config.lua: clusters.web: unknown option [1]: options have names", refusal({ "x" }))
    assert.equal("config.lua: clusters.web: unknown option [a table]: options have names", refusal({ [hostile.table({})] = 1 }))
  end)
end)

describe("a schema", function()
  it("that is well formed passes", function()
    assert.is_true(schema.check(options))
    assert.is_true(schema.check({}))
    assert.is_true(schema.check({ a = { type = { "string", "list" }, of = { type = "string", min = 16 }, secret = true, doc = "x" } }))
  end)

  for what, case in pairs({
    ["an unknown type"] = { { type = "interger" }, 'a: type: unknown type "interger": did you mean "integer"?' },
    ["a type that is nothing like one"] = { { type = "x" },
      'a: type: unknown type "x": types are any, boolean, function, integer, list, node, number, path, range, string, table' },
    ["one wrong type of several"] = { { type = { "string", 3 } }, "a: type: unknown type a number (3)" },
    ["no types"] = { { type = {} }, "a: type: expected a string of at least 1 byte or a list of at least 1 item" },
    ["no type"] = { { default = 3 }, "a: type: expected a string" },
    ["an unknown attribute"] = { { type = "string", defualt = "x" }, 'a: unknown option "defualt": did you mean "default"?' },
    ["a bound that is no number"] = { { type = "integer", min = "1" }, 'a: min: expected a number, found "1": add tonumber' },
    ["bounds upside down"] = { { type = "integer", min = 2, max = 1 }, "a: min is greater than max" },
    ["a default of the wrong type"] = { { type = "integer", default = "x" }, 'a: default: expected an integer, found "x"' },
    ["a default out of bounds"] = { { type = "integer", max = 3, default = 4 }, "a: default: expected an integer of at most 3, found 4" },
    ["a default that is required"] = { { type = "integer", default = 4, required = true }, "a: a required option has no default" },
    ["a secret that is one of a few"] = { { type = "string", secret = true, values = { "x" } }, "a: a secret option has no values" },
    ["a wrong element"] = { { type = "list", of = { type = "strin" } }, 'a: of: type: unknown type "strin"' },
    ["an element that is no table"] = { { type = "list", of = "string" }, 'a: of: expected a table, found "string"' },
    ["no allowed values"] = { { type = "string", values = {} }, "a: values: expected a list of at least 1 item, found 0 items" },
    ["a check that is no function"] = { { type = "string", check = "x" }, 'a: check: expected a function, found "x"' },
    ["an entry that is no table"] = { "string", 'a: expected a plain table such as { type = "string" }, found "string"' },
    ["an entry with a metatable"] = { hostile.table({ type = "string" }), "a: expected a plain table" },
  }) do
    it("with " .. what .. " is refused", function()
      local ok, message = schema.check({ a = case[1] })
      assert.is_nil(ok)
      assert.equal(case[2], message:sub(1, #case[2]))
    end)
  end

  it("that is not a table of names is refused", function()
    assert.same({ nil, "expected a plain table of options, found a number (3)" }, { schema.check(3) })
    assert.same({ nil, "expected a plain table of options, found a table" }, { schema.check(hostile.table({})) })
    assert.same({ nil, "dns: expected names as keys, found [1]" }, { schema.check({ { type = "string" } }, "dns") })
  end)

  it("that contains itself is refused", function()
    local entry = { type = "list" }
    entry.of = entry
    local ok, message = schema.check({ a = entry })
    assert.is_nil(ok)
    assert.matches("nested more than 8 levels deep", message, 1, true)
  end)
end)
