-- SPDX-License-Identifier: MIT
-- Node names and node tables: what is accepted, what is refused, and in which words.
local node = require("peerage.node")
local garbage = require("spec.support.garbage")
local hostile = require("spec.support.hostile")

describe("node.is_name", function()
  for _, name in ipairs({
    "app@10.0.0.1", "a@b", "my-app_2.x+y@host-1.example.com", "app@fd00::1", "app@fe80::1%eth0", "app@h.",
    ("n"):rep(250) .. "@host",
  }) do
    it("accepts " .. name:sub(1, 40), function() assert.is_true(node.is_name(name)) end)
  end

  for what, name in pairs({
    ["an empty string"] = "",
    ["a name without @"] = "somewhere",
    ["two @"] = "a@b@c",
    ["nothing before the @"] = "@host",
    ["nothing after the @"] = "app@",
    ["a space"] = "my app@host",
    ["a trailing newline"] = "app@host\n",
    ["a zero byte"] = "app@host\0",
    ["bytes over 127"] = "caf\195\169@host",
    ["a colon before the @"] = "a:b@host",
    ["256 bytes"] = ("n"):rep(251) .. "@host",
    ["a number"] = 42,
    ["a table"] = {},
    ["nil"] = nil,
  }) do
    it("refuses " .. what, function() assert.is_false(node.is_name(name)) end)
  end

  it("leaves no garbage", function()
    local grown = garbage.of(function()
      for _ = 1, 10000 do
        node.is_name("app@10.0.0.1")
        node.is_name("no name")
      end
    end)
    assert.is_true(grown < 16, grown .. " KB") -- one object a call would be 160 KB at least
  end)
end)

describe("node.split", function()
  it("gives the two sides of the @", function()
    local name, host = node.split("app@fd00::1")
    assert.equal("app", name)
    assert.equal("fd00::1", host)
  end)

  it("raises for what has no @", function()
    assert.error_matches(function() node.split("app") end, 'found "app"', 1, true)
  end)
end)

describe("node.parse", function()
  it("reads a string", function() assert.same({ name = "app@h" }, node.parse("app@h")) end)

  it("reads a table and ignores other keys", function()
    local read = node.parse({ name = "app@h", port = 9000, meta = { zone = "a", tags = { 1, 2 } }, weight = 3 })
    assert.same({ name = "app@h", port = 9000, meta = { zone = "a", tags = { 1, 2 } } }, read)
  end)

  it("copies the meta, so that later changes of the original do not reach it", function()
    local meta = setmetatable({ tags = { "x" } }, { __index = { zone = "a" } })
    local read = node.parse({ name = "app@h", meta = meta })
    meta.tags[1] = "y"
    assert.equal("x", read.meta.tags[1])
    assert.is_nil(getmetatable(read.meta))
  end)

  local cycle = {}
  cycle.again = cycle
  for what, case in pairs({
    ["an empty string"] = { "", 'found "": it is empty' },
    ["a string without @"] = { "somewhere", 'found "somewhere": it has no "@"' },
    ["a stray byte before the @"] = { "a b@h", '" " is not allowed before the "@"' },
    ["a stray byte after the @, escaped"] = {
      "a@h\27[2J", 'found "a@h\\027[2J": "\\027" is not allowed after the "@"',
    },
    ["nothing before the @"] = { "@h", 'nothing stands before the "@"' },
    ["nothing after the @"] = { "a@", 'nothing stands after the "@"' },
    ["a long string, cut"] = { ("n"):rep(70) .. "@" .. ("h"):rep(200), '…: it has 271 bytes, 255 are allowed' },
    ["a number"] = { 42, "found a number (42)" },
    ["a boolean"] = { false, "found a boolean (false)" },
    ["a function"] = { print, "found a function" },
    ["a userdata"] = { io.stdout, "found a userdata" },
    ["a list in the list"] = {
      { "a@h" }, 'expected a node like { name = "app@10.0.0.1" }, found a list in the list',
    },
    ["a table without a name"] = { { host = "h" }, "found a table without a name" },
    ["a table with a bad name"] = {
      { name = 7 }, 'name: expected a node name like "app@10.0.0.1", found a number (7)',
    },
    ["port 0"] = { { name = "a@h", port = 0 }, "port: expected an integer from 1 to 65535, found a number (0)" },
    ["port 65536"] = { { name = "a@h", port = 65536 }, "found a number (65536)" },
    ["a fractional port"] = { { name = "a@h", port = 1.5 }, "found a number (1.5)" },
    ["port NaN"] = { { name = "a@h", port = 0 / 0 }, "port: expected an integer" },
    ["a port in a string"] = { { name = "a@h", port = "80" }, 'found "80": add tonumber' },
    ["a meta that is no table"] = { { name = "a@h", meta = "x" }, 'meta: expected a table, found "x"' },
    ["a function in meta"] = {
      { name = "a@h", meta = { go = print } }, "meta.go: expected plain data, found a function",
    },
    ["infinity in meta"] = {
      { name = "a@h", meta = { n = math.huge } }, "meta.n: expected plain data, found a number (inf)",
    },
    ["a table as a key in meta"] = {
      { name = "a@h", meta = { [{}] = 1 } }, "meta: expected plain keys, found a table",
    },
    ["a cycle in meta"] = { { name = "a@h", meta = cycle }, "tables are nested deeper than 8" },
  }) do
    it("refuses " .. what, function()
      local read, message = node.parse(case[1])
      assert.is_nil(read)
      assert.is_truthy(message:find(case[2], 1, true), message)
    end)
  end

  it("refuses nil", function()
    local read, message = node.parse(nil)
    assert.is_nil(read)
    assert.equal('expected a node name like "app@10.0.0.1", found nothing', message)
  end)

  it("runs no metamethod of what it reads", function()
    assert.is_nil(node.parse(hostile.table({})))
    assert.is_nil(node.parse({ name = hostile.table({}) }))
    assert.is_nil(node.parse({ name = "a@h", port = hostile.table({}) }))
    local read = node.parse(hostile.table({ name = "a@h", port = 1, meta = hostile.table({ x = hostile.table({}) }) }))
    assert.same({ name = "a@h", port = 1, meta = { x = {} } }, read)
  end)
end)
