-- SPDX-License-Identifier: MIT
-- Found by throwing things at it: a provider that made an account without limits for a scope of its own could not be interrupted.
local environment = require("peerage.environment")
local requirer = require("peerage.requirer")

describe("a provider", function()
  it("can make no account, nor have the engine's", function()
    local require = requirer.new({ files = {} }, "/nowhere", nil, environment.new())
    assert.same({}, require("engine.account"))
    assert.same({ "function" }, { type(require("engine.scope").new) })
    assert.is_false((pcall(require, "peerage.accounts")))
  end)
end)
