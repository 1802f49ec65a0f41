-- SPDX-License-Identifier: MIT
-- Found by reading: a list in the options of two clusters was one table, so that one provider changed the other's.
local Folder = require("support.folder")
local Instance = require("peerage.instance")
local peerage = require("peerage")
local plan = require("peerage.plan")
local scopes = require("engine.scope")

local CONFIG = [[
  local shared = { list = { { name = "one" } }, fn = print }
  shared.itself = shared
  return {
    clusters = { a = { via = { %s, shared = shared } }, b = { via = { %s, shared = shared } } }, connect = "none",
  }]]

describe("options with tables in them", function()
  local folder, scope
  before_each(function() folder, scope = Folder.new(), scopes.new("spec") end)
  after_each(function()
    scope:close()
    folder:remove()
  end)

  for what, schema in pairs({ ["without a schema"] = "", ["with one"] = "options = { shared = { type = 'table' } }," }) do
    it("are each cluster's own, and each start's, " .. what, function()
      folder:write("changes.lua", "return { " .. schema .. [[
        poll = function(self)
          local shared = self.options.shared
          assert(shared.list[1].name == "one" and shared.fn and shared.itself == shared)
          shared.list[1].name, shared.list[2] = "two", "more"
          return {}
        end }]])
      local path = folder:write("config.lua", CONFIG:format("'changes'", "'changes'"))
      local planned = assert(plan.prepare(assert(peerage.load_config(path))))
      for _, cluster in ipairs({ planned.clusters[1], planned.clusters[2], planned.clusters[1] }) do
        local part = cluster.provider
        local instance = Instance.start({ unit = part.unit, options = part.options, label = "spec", name = "me@h", scope = scope })
        assert.same({ true, {} }, { instance:call("poll", 1) })
        instance:close()
        assert.same({ { name = "one" } }, cluster.settings.via.options.shared.list)
      end
    end)
  end
end)
