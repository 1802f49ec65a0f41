-- SPDX-License-Identifier: MIT
-- The connector that connects to nobody.
local schema = require("peerage.schema")
local none = require("peerage.connectors.none")

describe("the none connector", function()
  it("follows what was found, so that it has no list of its own", function()
    assert.is_true(none.follows_found)
    assert.is_nil(none.nodes)
  end)

  it("takes any node as connected", function() assert.is_true(none.connect({}, { name = "app@nowhere" })) end)

  it("has no options, and says so", function()
    local values, message = schema.validate(none.options, { port = 1 }, "connect")
    assert.is_nil(values)
    assert.equal('connect: unknown option "port": there are no options here', message)
  end)
end)
