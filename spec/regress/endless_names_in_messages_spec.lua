-- SPDX-License-Identifier: MIT
-- Found by the fuzz target config: a `via` of 10 kB stood four times in the message that refused it, control bytes and all.
local Folder = require("support.folder")
local call = require("peerage.call")
local peerage = require("peerage")
local plan = require("peerage.plan")
local scopes = require("engine.scope")

describe("a message stays short and printable", function()
  local folder
  before_each(function() folder = Folder.new() end)
  after_each(function() folder:remove() end)

  local LONG = '("x"):rep(10000)'

  for what, text in pairs({
    ["a long via"] = "{ via = %s }",
    ["a long path as via"] = "{ via = './' .. %s }",
    ["a long via in a table"] = "{ via = { %s, a = 1 } }",
    ["an option beside a long via in a table"] = "{ via = { %s }, extra = 1 }",
    ["a long connect"] = "{ connect = %s }",
    ["a via with control bytes"] = "{ via = 'a\\n\\27[2J' .. %s }",
    ["a short via with control bytes"] = "{ via = 'a\\n\\27[2J\\0' }",
    ["a long cluster"] = "{ clusters = { [%s] = { via = 'self' } } }",
    ["a long key"] = "{ [%s] = 1, clusters = { a = {} } }",
    ["a long provider_path"] = "{ via = 'nobody', provider_path = { %s, 'a\\nb' } }",
    ["a long group"] = "{ via = 'udp', multicast_addr = %s }",
    ["a long error"] = "error(%s)",
    ["a long reason of a deferred value"] = "{ via = apply(function() return nil, %s end) }",
    ["a long message of a check"] =
      "{ via = { poll = print, options = { a = { type = 'any', default = 1, check = function() return nil, %s end } } } }",
  }) do
    it("about " .. what, function()
      local path = folder:write("config.lua", "return " .. text:gsub("%%s", function() return LONG end))
      local conf, message = peerage.load_config(path)
      if conf then conf, message = plan.prepare(conf) end
      assert.is_nil(conf)
      assert(#message < 2300 and not message:find("[%z\1-\9\11-\31]") and not message:find("\n\27", 1, true), message)
    end)
  end

  it("that a provider raises or gives as its reason", function()
    local scope = scopes.new("spec")
    local ok, failure = call.run(scope, 1, function() error(("x"):rep(1e6)) end)
    scope:close()
    assert.is_false(ok)
    assert.equal(2000 + #"…", #failure.message)
    local answer = require("peerage.answer").read({}, ("x"):rep(1e6))
    assert.equal(2000 + #"…", #answer.message)
  end)
end)
