-- SPDX-License-Identifier: MIT
-- What all formats have in common: how a node is written, and which options go together.
local entry = require("peerage.formats.entry")
local formats = require("peerage.formats")
local json = require("engine.json")
local schema = require("peerage.schema")

describe("a node in a list", function()
  for text, expected in pairs({
    ["app@10.0.0.1"] = { name = "app@10.0.0.1" },
    ["app@10.0.0.1:9000"] = { name = "app@10.0.0.1", port = 9000 },
    ["other@[fd00::1]:9000"] = { name = "other@fd00::1", port = 9000 },
    ["other@fd00::1"] = { name = "other@fd00::1" },
    ["10.0.0.1"] = { name = "web@10.0.0.1" },
    ["10.0.0.1:9000"] = { name = "web@10.0.0.1", port = 9000 },
    ["web1.example.org:65535"] = { name = "web@web1.example.org", port = 65535 },
    ["fd00::1"] = { name = "web@fd00::1" },
    ["[fd00::1]"] = { name = "web@fd00::1" },
    ["[fd00::1]:1"] = { name = "web@fd00::1", port = 1 },
  }) do
    it(("may be %s"):format(text), function() assert.are.same(expected, entry.read(text, "web")) end)
  end

  for text, expected in pairs({
    [""] = "expected a node name",
    ["web1:"] = '"web1:": expected a port from 1 to 65535, found ""',
    ["web1:0"] = 'expected a port from 1 to 65535, found "0"',
    ["web1:65536"] = 'expected a port from 1 to 65535, found "65536"',
    ["web1:1e3"] = 'expected a port from 1 to 65535, found "1e3"',
    ["web1:" .. ("1"):rep(400)] = "expected a port from 1 to 65535",
    ["http://web1/"] = 'expected a port from 1 to 65535, found "//web1/"',
    ["[fd00::1]9000"] = 'expected ":" and a port after the "]", found "9000"',
    ["two words"] = "is not allowed after the",
    ["app@"] = 'nothing stands after the "@"',
    ["@host"] = 'nothing stands before the "@"',
    ["a@b@c"] = "is not allowed after the",
  }) do
    it(("is not %q"):format(text:sub(1, 20)), function()
      local node, message = entry.read(text, "web")
      assert.is_nil(node)
      assert.is_truthy(message:find(expected, 1, true), message)
    end)
  end

  it("is no bare host where there is no app_name", function()
    assert.are.same({ nil, 'expected a node name, found the host "10.0.0.1": set app_name, which makes app_name@10.0.0.1 of it' },
      { entry.read("10.0.0.1") })
  end)

  it("may be an object with a name, a port and a meta", function()
    assert.are.same({ name = "web@h", port = 1, meta = { a = "b" } }, entry.of({ name = "h", port = 1, meta = { a = "b" } }, "web"))
    assert.are.same({ name = "a@h", port = 2 }, entry.of({ name = "a@h:2", other = true }))
    assert.are.same({ name = "a@h", port = 80 }, entry.of({ name = "a@h:2", port = "80" }))
  end)

  it("is nothing else", function()
    for _, case in ipairs({
      { 5, "found a number (5)" }, { true, "found a boolean (true)" }, { json.null, "found null" },
      { {}, "expected an object with a name, found one that is empty" },
      { { "a@h" }, "found a list" }, { json.array({}), "found a list" },
      { { name = 5 }, 'name: expected "app@10.0.0.1", or a host, found a number (5)' },
      { { b = 1, a = 2, ["c d"] = 3 }, 'found one with ["c d"], a, b' },
      { { a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7 }, ", …" },
      { { name = "a@h", port = "http" }, 'port: expected a port from 1 to 65535, found "http"' },
      { { name = "a@h", meta = { print } }, "meta" },
    }) do
      local node, message = entry.of(case[1])
      assert.is_nil(node)
      assert.is_truthy(message:find(case[2], 1, true), message)
    end
  end)
end)

describe("the options of a format", function()
  local options = formats.options("lines")

  it("are a schema", function()
    assert.is_true(schema.check(options))
    assert.are.equal("lines", assert(schema.validate(options, {}, "x")).format)
  end)

  it("refuse what cannot be", function()
    for message, values in pairs({
      ["x: app_name: expected a node name"] = { app_name = "a b" },
      ["x: select: expected a path such as items[].status.podIP, found \"items[\""] = { select = "items[" },
      ["x: format: expected \"erlang\", \"hosts\", \"json\", \"lines\" or \"prometheus\", found \"jsn\": did you mean \"json\"?"] =
        { format = "jsn" },
    }) do
      local ok, found = schema.validate(options, values, "x")
      assert.is_nil(ok)
      assert.are.equal(message, found:sub(1, #message))
    end
  end)

  it("want app_name where only hosts are listed, and select with JSON only", function()
    for _, format in ipairs({ "erlang", "hosts", "prometheus" }) do
      assert.are.same({ nil, ('format = "%s" lists hosts: app_name is required, the part before the "@"'):format(format) },
        { formats.check(format, {}) })
      assert.is_true(formats.check(format, { app_name = "web" }))
    end
    assert.is_true(formats.check("lines", {}))
    assert.is_true(formats.check("json", { select = "[]" }))
    assert.are.same({ nil, 'select is for format = "json", found format = "lines"' }, { formats.check("lines", { select = "[]" }) })
  end)
end)

describe("a text in a format", function()
  it("that says nothing is no list, whatever the format", function()
    for format, nobody in pairs({
      lines = "a comment", hosts = "a comment", erlang = "a comment", json = "an empty list", prometheus = "an empty list",
    }) do
      for _, text in ipairs({ "", " \n\t\r\n", "\239\187\191", "\239\187\191\n" }) do
        assert.are.same({ nil, ("it is empty: expected nodes, or %s where there are none"):format(nobody) },
          { formats.read(format, text, { app_name = "web" }) })
      end
    end
  end)

  it("needs no options where it has names", function()
    assert.are.same({ { name = "a@h" } }, formats.read("lines", "a@h"))
    assert.are.same({ { name = "a@h" } }, formats.read("json", '["a@h"]'))
  end)

  it("is of one that there is, and a text: all else is a wrong call", function()
    local expected = 'bad format: expected "erlang", "hosts", "json", "lines", "prometheus", found '
    assert.has_error(function() formats.read("jsn", "[]") end, expected .. '"jsn"')
    assert.has_error(function() formats.read(nil, "[]") end, expected .. "nothing")
    assert.has_error(function() formats.check("jsn", {}) end, expected .. '"jsn"')
    assert.has_error(function() formats.read("json", nil) end, "bad text: string expected, found nothing")
  end)

  it("is read in time in proportion to its length, also where nothing in it can be understood", function()
    local blanks, many = (" "):rep(1e5), 1e5
    for _, case in ipairs({
      { "lines", "a" .. blanks .. "b" }, { "lines", "a@h" .. blanks .. "\n" .. blanks .. "b c" }, { "lines", ("\r"):rep(many) .. "x" },
      { "lines", "x" .. ("@"):rep(many) }, { "lines", "[" .. ("["):rep(many) }, { "lines", (":"):rep(many) }, { "lines", blanks .. "{" },
      { "lines", ("a"):rep(many) }, { "hosts", "10.0.0.1" .. blanks .. "a" .. blanks .. "\n" .. ("%"):rep(many) },
      { "hosts", ("1.1.1.1"):rep(many / 10) }, { "hosts", ("a:"):rep(many) }, { "erlang", blanks .. "'" .. ("\\h"):rep(many) },
      { "erlang", "'" .. ("a"):rep(many) }, { "erlang", "a" .. blanks .. "b" }, { "erlang", ("% a\n"):rep(many / 4) .. "-" },
      { "prometheus", blanks .. "-" .. blanks }, { "prometheus", "[" .. ('{"targets":[]},'):rep(1e4) }, { "json", "[" .. blanks .. "x" },
    }) do
      local started = os.clock()
      local nodes, message = formats.read(case[1], case[2], { app_name = "web" })
      assert.is_true(os.clock() - started < 1, case[1])
      assert.is_true(nodes and #nodes < 2 or #message < 1000)
    end
  end)
end)
