-- SPDX-License-Identifier: MIT
-- Source files: read whole, compiled as text, and messages that name the whole path.
local Folder = require("support.folder")
local source = require("peerage.source")

describe("a source file", function()
  local folder

  before_each(function() folder = Folder.new() end)
  after_each(function() folder:remove() end)

  it("is read, an empty one too", function()
    assert.equal("return 1", (source.read(folder:write("a.lua", "return 1"))))
    assert.equal("", (source.read(folder:write("b.lua", ""))))
  end)

  it("may be missing, which is told apart from what cannot be read", function()
    local text, message, is_missing = source.read(folder.path .. "/none.lua")
    assert.same({ folder.path .. "/none.lua: cannot be read: no such file or directory", true }, { message, is_missing })
    assert.is_nil(text)
    is_missing = select(3, source.read(folder:write("file", "") .. "/none.lua"))
    assert.is_true(is_missing)
    text, message, is_missing = source.read(folder.path)
    assert.is_nil(text)
    assert.same({ folder.path .. ": cannot be read: it is a directory, expected a regular file", false }, { message, is_missing })
  end)

  it("has an end", function()
    local path = folder:write("large.lua", ("-"):rep(4 * 2 ^ 20 + 1))
    assert.same({ nil, path .. ": larger than 4 MB: expected a Lua file" }, { source.read(path) })
  end)

  it("is shown in messages by the end of its path where that is long, and without control bytes", function()
    local _, message = source.read("/" .. ("x"):rep(5000) .. "/a\nb.lua")
    assert(#message < 400 and message:find("x/a\\nb.lua: cannot be read: ", 1, true) and message:find("^…xx"), message)
  end)

  it("costs about its size to read, whatever size it may have", function()
    local path = folder:write("a.lua", ("-"):rep(100))
    collectgarbage()
    local before = collectgarbage("count")
    assert(source.read(path))
    assert.is_true(collectgarbage("count") - before < 256, "it left a large buffer behind")
  end)

  it("is read whole when it is longer than one piece", function()
    local text = ("return 1 -- "):rep(10000)
    assert.equal(text, (source.read(folder:write("long.lua", text))))
  end)

  it("is compiled with its own globals", function()
    assert.equal(5, assert(source.compile("return x", "/a.lua", { x = 5 }))())
  end)

  it("is not compiled code", function()
    local chunk, message = source.compile(string.dump(function() end), "/a.lua", {})
    assert.is_nil(chunk)
    assert.equal("/a.lua: expected a Lua text, found compiled code", message)
  end)

  it("names path and line of a syntax error, however long the path", function()
    local path = "/" .. ("folder/"):rep(30) .. "homies.lua"
    local _, message = source.compile("\nreturn return", path, {})
    assert.equal(path .. ":2:", message:sub(1, #path + 3))
  end)

  it("names path and line of what it raises", function()
    local path = "/" .. ("folder/"):rep(30) .. "homies.lua"
    local _, raised = pcall(assert(source.compile("\n\nerror('boom')", path, { error = error })))
    assert.equal(path .. ":3: boom", source.locate(raised, path))
    assert.equal("/a.lua: boom", source.locate("boom", "/a.lua"))
    assert.equal("/a.lua: raised a table instead of a message", source.locate({}, "/a.lua"))
    assert.equal("/a.lua: raised nothing instead of a message", source.locate(nil, "/a.lua"))
  end)
end)
