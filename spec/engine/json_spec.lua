-- SPDX-License-Identifier: MIT
-- JSON: what is none is refused with its place, and what lua-cjson reads and writes as well is the same here.
local Daemon = require("support.daemon")
local accounts = require("engine.account")
local cjson = require("cjson.safe").new()
local json = require("engine.json")
local scopes = require("engine.scope")
local task = require("engine.task")

cjson.encode_number_precision(14)

-- As cjson has it: null everywhere, no marks.
local function as_cjson(value)
  if value == json.null then return cjson.null end
  if type(value) ~= "table" then return value end
  local result = {}
  for key, item in pairs(value) do result[key] = as_cjson(item) end
  return result
end

describe("json.decode", function()
  it("reads what another reader does, alike", function()
    for _, text in ipairs({
      "1", "-1", "0", "-0", "0.5", "-12.25e-3", "1E+2", "9007199254740991", "-9007199254740991", "1e308",
      "1e-400", "9E-4740993", "0e4740993", "0.0e999999999999", "-1e-99999999",
      "1" .. ("0"):rep(100) .. "e-9999999", "true", "false",
      "null", '""', '"a"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\u0000"', '"\195\169 \127"',
      "[]", "{}", " \n\r\t[ 1 , [ ] , { } , null ] \n", '{"a":{"b":[1,{"c":"d"}]},"":0,"e\\nf":false}',
      '{"a":1,"a":2}', '["' .. ("x\\n"):rep(1000) .. '"]', "[" .. ("1,"):rep(1000) .. "1]",
    }) do
      local value, message = json.decode(text)
      assert.are.same({ text, cjson.decode(text) }, { text, as_cjson(value), message })
    end
  end)

  it("says line and column of what is wrong, what was expected and what is there", function()
    for text, expected in pairs({
      [""] = "line 1, column 1: expected a value, found the end",
      ["[1,2\n,,3]"] = 'line 2, column 2: expected a value, found ","',
      ['{\n  "a": 1\n  "b": 2\n}'] = 'line 3, column 3: expected "," or "}", found a quotation mark',
      ['{"a" 1}'] = 'line 1, column 6: expected ":", found "1"',
      ["{a:1}"] = 'line 1, column 2: expected a key in quotes, found "a"',
      ['{"a":1,}'] = 'line 1, column 8: expected a key in quotes, found "}"',
      ["[1,]"] = 'line 1, column 4: expected a value, found "]"',
      ["[1 2]"] = 'line 1, column 4: expected "," or "]", found "2"',
      ["[1"] = 'line 1, column 3: expected "," or "]", found the end',
      ["[1]\nx"] = 'line 2, column 1: expected the end, found "x"',
      ['"abc'] = "line 1, column 5: expected a quotation mark that ends the string, found the end",
      ['"a\nb"'] = "line 1, column 3: expected no control character in a string, found the byte 0x0A",
      ['"a\\xb"'] = 'line 1, column 3: expected one of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u, found "\\"',
      ['"\\u12"'] = 'line 1, column 2: expected \\u and four hexadecimal digits, found "\\"',
      ['"\\ud800"'] = 'line 1, column 2: expected a pair of surrogates, such as \\ud83d\\ude00, found "\\"',
      ['"\\ud800\\u0041"'] = 'line 1, column 2: expected a pair of surrogates, such as \\ud83d\\ude00, found "\\"',
      ['"a\\udc00\\udc00"'] = 'line 1, column 3: expected a pair of surrogates, such as \\ud83d\\ude00, found "\\"',
      ['"\\udc00\\ud800"'] = 'line 1, column 2: expected a pair of surrogates, such as \\ud83d\\ude00, found "\\"',
      ["<html>"] = 'line 1, column 1: expected a value, found "<"',
      ["\255"] = "line 1, column 1: expected a value, found the byte 0xFF",
      ["[1]\0"] = "line 1, column 4: expected the end, found the byte 0x00",
    }) do
      assert.are.same({ text, nil, expected, "EBADMSG" }, { text, json.decode(text) })
    end
  end)

  it("takes no number that JSON has not, and none that a double cannot hold", function()
    for text, expected in pairs({
      ["01"] = "a number without a leading 0", ["-00"] = "a number without a leading 0", ["1."] = "digits after the point",
      ["1.e5"] = "digits after the point", ["1e"] = "digits in the exponent", ["1.5e+"] = "digits in the exponent",
      ["+1"] = "a value", [".5"] = "a value", ["-"] = "a value", ["NaN"] = "a value", ["Infinity"] = "a value",
      ["-Infinity"] = "a value", ["1e400"] = "a number that a double can hold", ["-1e400"] = "a number that a double can hold",
      [("9"):rep(400)] = "a number that a double can hold", ["9e191900909"] = "a number that a double can hold",
      ["0x10"] = "the end", ["1_000"] = "the end",
    }) do
      local value, message = json.decode(text)
      assert.is_nil(value, text)
      assert.is_truthy(message:find("expected " .. expected .. ",", 1, true), message)
    end
  end)

  it("keeps integers exact up to 2^53", function()
    assert.are.equal(2 ^ 53 - 1, json.decode("9007199254740991"))
    assert.are.equal(-2 ^ 53, json.decode("-9007199254740992"))
  end)

  it("has no member that is null, and null in arrays and alone", function()
    local value = json.decode('{"a":null,"b":[null,1],"c":1,"c":null}')
    assert.are.same({ b = { json.null, 1 } }, value)
    assert.are.equal(json.null, json.decode("null"))
    assert.are.equal("null", tostring(json.null))
  end)

  it("tells an empty array from an empty object", function()
    local value = json.decode('{"a":[],"o":{},"l":[1]}')
    assert.are.same({ true, false, true, false },
      { json.is_array(value.a), json.is_array(value.o), json.is_array(value.l), json.is_array("[]") })
  end)

  it("skips a byte order mark", function() assert.are.same({ 1 }, json.decode("\239\187\191[1]")) end)

  it("refuses what is nested too deep, however deep that is", function()
    for _, open in ipairs({ "[", '{"a":' }) do
      local value, message, code = json.decode(open:rep(10000))
      assert.is_nil(value)
      assert.is_truthy(message:find("^line 1, column %d+: nested deeper than 100 levels$"), message)
      assert.are.equal("EMSGSIZE", code)
    end
    assert.is_truthy(json.decode(("["):rep(100) .. ("]"):rep(100)))
    assert.is_nil(json.decode(("["):rep(101) .. ("]"):rep(101)))
    assert.is_truthy(json.decode(('{"a":['):rep(500) .. ("]}"):rep(500), { max_depth = 1000 }))
    assert.is_nil((json.decode("[[1]]", { max_depth = 1 })))
  end)

  it("refuses what is too long", function()
    assert.are.same({ nil, "it has 7 bytes, expected at most 6", "EMSGSIZE" }, { json.decode("[1,2,3]", { max_size = 6 }) })
    assert.are.same({ 1, 2, 3 }, json.decode("[1,2,3]", { max_size = 7 }))
  end)

  it("raises for a wrong call", function()
    assert.has_error(function() json.decode(5) end, "bad text: string expected, found a number")
    assert.has_error(function() json.decode("5", { max = 1 }) end, 'unknown option "max"')
    assert.has_error(function() json.decode("5", { max_depth = 1001 }) end,
      'option "max_depth": expected an integer from 1 to 1000, found 1001')
  end)

  it("takes time in proportion to the length, also for what is wrong at its end", function()
    for _, text in ipairs({
      '"' .. ("\\n"):rep(400000), '"' .. ("a"):rep(2000000), "[" .. ("[],"):rep(200000), "[" .. (" "):rep(2000000),
      '{"a":' .. (" "):rep(2000000), '{"' .. ("a"):rep(2000000) .. '" 1', ("1"):rep(2000000) .. "x",
    }) do
      local started = os.clock()
      assert.is_nil((json.decode(text)))
      assert.is_true(os.clock() - started < 2)
    end
  end)

  it("leaves nothing behind where memory ends", function()
    local text = "[" .. ("[],"):rep(200000) .. "[]]"
    local function resident()
      for line in io.lines("/proc/self/status") do
        local kilobytes = line:match("^VmRSS:%s+(%d+)")
        if kilobytes then return tonumber(kilobytes) end
      end
    end
    local function decode_in_little()
      local scope = scopes.new("little", nil, accounts.new({ label = "little", memory_limit = 2 * 1024 * 1024 }))
      local ok, message = scope:spawn(json.decode, text):join()
      scope:close()
      assert.is_false(ok)
      assert.is_truthy(message:find("not enough memory", 1, true), message)
      task.sleep(0)
      collectgarbage()
    end
    for _ = 1, 3 do decode_in_little() end
    local before = resident()
    for _ = 1, 20 do decode_in_little() end
    local most = 20 * #text / 1024 / 2
    assert.is_true(Daemon.is_sanitized() or resident() - before < most) -- sanitizers keep what is freed
  end)
end)

describe("json.encode", function()
  it("writes what another reader reads alike", function()
    for _, value in ipairs({
      1, -1.5, 0.1, 1 / 3, 2 ^ 53 - 1, 1e300, 5e-324, true, false, "", 'q"b\\s/\n\1\127', "\195\169", {}, { 1, { 2, { a = "b" } } },
      { ["a b"] = { c = { true, false } }, d = "e" },
    }) do
      local text = assert(json.encode(value))
      assert.are.same(value, cjson.decode(text))
      assert.are.same(value, json.decode(text))
    end
  end)

  it("writes all that can be read, however deep, also from deep in a call", function()
    local text = ('{"a":['):rep(500) .. ("]}"):rep(500)
    local function from(depth)
      if depth == 0 then return json.encode(json.decode(text, { max_depth = 1000 })) end
      local result, message = from(depth - 1)
      return result, message
    end
    assert.are.equal(text, from(500))
    assert.is_nil((json.encode({ json.decode(text, { max_depth = 1000 }) })))
  end)

  it("sorts keys, marks empty arrays, and has null", function()
    assert.are.equal('{"a":[],"b":{},"c":[null],"d":null}',
      json.encode({ d = json.null, c = { json.null }, b = {}, a = json.array({}) }))
  end)

  it("gives back what was decoded", function()
    local text = '{"a":[],"b":{},"c":[1,null,"x"]}'
    assert.are.equal(text, json.encode(json.decode(text)))
  end)

  it("says where what cannot be written is", function()
    local endless = {}
    endless[1] = endless
    for message, value in pairs({
      ["value.a[2].b: expected plain data, found a function"] = { a = { 1, { b = print } } },
      ['value["x y"]: JSON has no inf'] = { ["x y"] = 1 / 0 },
      ["value[1]: expected a list or an object, found a table that is both"] = { { 1, a = 2 } },
      ["value: expected a list without holes, item 2 is nil"] = { 1, nil, 3 },
      ["value: expected strings as keys, found a number"] = { [2] = 1 },
      ["value: expected at most 1000 tables in each other, found more, or one in itself"] = endless,
    }) do
      assert.are.same({ nil, message }, { json.encode(value) })
    end
    assert.are.same({ nil, "value: expected plain data, found nothing" }, { json.encode(nil) })
  end)

  it("writes UTF-8 whatever the bytes are", function()
    assert.are.equal('"a\\ufffdb"', json.encode("a\255b"))
  end)
end)

describe("json.array", function()
  it("marks the list that it is given, and takes nothing else", function()
    local list = {}
    assert.are.equal(list, json.array(list))
    assert.is_true(json.is_array(list))
    assert.are.equal(list, json.array(json.array(list)))
    assert.are.equal("[[]]", json.encode(json.array({ json.array(json.decode("[]")) })))
    assert.has_error(function() json.array("x") end, "bad list: table expected, found a string")
  end)
end)
