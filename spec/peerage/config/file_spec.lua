-- SPDX-License-Identifier: MIT
-- The config as a file: what cannot be read, compiled or run is refused by name, with the line where there is one.
local config_file = require("peerage.config.file")

local function run(source, environment)
  return config_file.run(source, "folder/config.lua", environment)
end

local function refusal(source)
  local values, message = run(source)
  assert.is_nil(values)
  return message
end

describe("running", function()
  it("gives the table", function() assert.same({ a = 1 }, run("return { a = 1 }")) end)

  it("skips a first line with #!", function() assert.same({ a = 1 }, run("#!/usr/bin/env lua\nreturn { a = 1 }")) end)

  it("refuses a syntax error with file and line", function()
    assert.matches("^folder/config.lua:3: .*'error'$", refusal("\n\nsyntax error"))
  end)

  it("refuses one that raises with file and line", function()
    assert.equal("folder/config.lua:2: boom", refusal("\nerror('boom')"))
    assert.matches("^folder/config.lua:1: attempt to index", refusal("return nothing.here"))
  end)

  it("names the file where the error does not", function()
    assert.equal("folder/config.lua: boom", refusal("error('boom', 0)"))
    assert.equal("folder/config.lua: raised a table instead of a message", refusal("error({})"))
    assert.equal("folder/config.lua: raised nothing instead of a message", refusal("error()"))
  end)

  it("names the whole path however long it is", function()
    local path = "/" .. ("deep/"):rep(40) .. "config.lua"
    local _, message = config_file.run("\nsyntax error", path)
    assert.equal(path .. ":2: ", message:sub(1, #path + 4))
    _, message = config_file.run("\nerror('boom')", path)
    assert.equal(path .. ":2: boom", message)
  end)

  for source, found in pairs({
    ["return 42"] = "a number (42)", [""] = "nothing", ["return function() end"] = "a function", ["return 'x'"] = '"x"',
  }) do
    it("refuses one that returns " .. found, function()
      assert.equal("folder/config.lua: expected a table, found " .. found .. ": did you forget `return { … }`?", refusal(source))
    end)
  end

  it("refuses compiled code", function()
    assert.equal("folder/config.lua: expected a Lua text, found compiled code", refusal(string.dump(function() return {} end)))
  end)
end)

describe("the environment of a config", function()
  it("has the usual globals and those of deferred values", function()
    local values = run([[return { string.format("%d", 3), require("peerage.node"), type(system("A")), type(env("B")),
      type(apply(print)), tonumber("12") }]])
    assert.same({ "3", require("peerage.node"), "userdata", "userdata", "userdata", 12 }, values)
  end)

  it("keeps assignments to itself", function()
    local values = run("stray = 1; _G.other = 2; print = nil; return { stray, other, _G.stray }")
    assert.same({ 1, 2, 1 }, values)
    assert.is_nil(rawget(_G, "stray"))
    assert.is_nil(rawget(_G, "other"))
    assert.is_function(print)
  end)

  it("may be given", function()
    local environment = { here = 5 }
    assert.same({ 5, true }, run("new = here; return { here, string == nil }", environment))
    assert.equal(5, environment.new)
  end)

  it("has a tonumber that refuses deferred values", function()
    assert.matches('^folder/config.lua:2: system%("PORT"%) is resolved later', refusal('\nreturn { port = tonumber(env("PORT")) }'))
  end)
end)

describe("paths", function()
  it("have a folder", function()
    assert.equal(".", config_file.folder("config.lua"))
    assert.equal("a/b", config_file.folder("a/b/config.lua"))
    assert.equal("/", config_file.folder("/config.lua"))
    assert.equal("/etc", config_file.folder("/etc/config.lua"))
  end)

  it("begin in the folder unless they begin at the root", function()
    assert.equal("/etc/providers", config_file.join("/etc", "providers"))
    assert.equal("/opt/providers", config_file.join("/etc", "/opt/providers"))
    assert.equal("/providers", config_file.join("/", "providers"))
    assert.equal("providers", config_file.join(".", "providers"))
  end)
end)
