-- SPDX-License-Identifier: MIT
local Registry = require("peerage.registry")
local status = require("peerage.status")

local function cluster(found, live)
  local registry = Registry.new()
  registry:update(found, { source = "spec", now = 1, complete = true })
  for _, name in ipairs(live) do registry:set_live(name, true, 1) end
  return { registry = registry }
end

describe("the line for the service manager", function()
  it("says how many are found and live", function()
    assert.equal("2 found, 1 live", status.summary({ default = cluster({ "a@b", "c@d" }, { "a@b" }) }))
  end)

  it("names the clusters, in order", function()
    assert.equal("cache: 0 found, 0 live; web: 1 found, 1 live",
      status.summary({ web = cluster({ "a@b" }, { "a@b" }), cache = cluster({}, {}) }))
  end)
end)
