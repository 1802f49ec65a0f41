-- SPDX-License-Identifier: MIT
-- Whose account is whose, and that the limits of a config reach it.
local accounts = require("peerage.accounts")
local call = require("peerage.call")
local scopes = require("engine.scope")

local MB = 2 ^ 20

describe("an account", function()
  local function run(account, fn)
    local scope = scopes.new("it", nil, account)
    local ok, failure = call.run(scope, 10, fn)
    scope:close()
    return ok, failure
  end

  local function take(megabytes)
    return function()
      local kept = {}
      for i = 1, megabytes do kept[i] = ("x"):rep(MB - 100) .. i end
      return #kept
    end
  end

  local function burn(seconds)
    return function()
      local start = os.clock()
      while os.clock() - start < seconds do end
    end
  end

  it("is called after its part and its cluster, which a flat config does not name", function()
    assert.equal("provider dns", accounts.label("default", "provider", "dns"))
    assert.equal("web: connector tcp", accounts.label("web", "connector", "tcp"))
    assert.equal("web: hook", accounts.label("web", "hook"))
  end)

  it("has the limits of its cluster", function()
    local account = accounts.new("provider x", { budget = 0.1, memory_limit = 4 * MB })
    assert.is_true((run(account, take(2))))
    local ok, failure = run(account, take(6))
    assert.same({ false, "out_of_memory" }, { ok, failure.reason })
    assert.is_truthy(failure.message:find("memory_limit is 4 MB: see memory_limit", 1, true))
    ok, failure = run(accounts.new("provider x", { budget = 0.1 }), burn(1))
    assert.same({ false, "interrupted" }, { ok, failure.reason })
    assert.is_truthy(failure.message:find("provider x held the engine for 0%.[1-4]%d* s: see budget$"))
  end)

  it("follows limits that change, up and down", function()
    local account = accounts.new("provider x", { budget = 0.1, memory_limit = 4 * MB })
    accounts.limit(account, { budget = 1, memory_limit = 16 * MB })
    assert.is_true((run(account, take(8))))
    assert.is_true((run(account, burn(0.2))))
    accounts.limit(account, { budget = 0.05, memory_limit = 2 * MB })
    assert.equal("interrupted", select(2, run(account, burn(1))).reason)
    assert.equal("out_of_memory", select(2, run(account, take(6))).reason)
  end)

  it("of a config has the defaults of a cluster", function()
    local ok, failure = run(accounts.config(), take(80))
    assert.same({ false, "out_of_memory" }, { ok, failure.reason })
    assert.is_truthy(failure.message:find("memory_limit is 64 MB", 1, true))
    ok, failure = run(accounts.config(), burn(2))
    assert.same({ false, "interrupted" }, { ok, failure.reason })
    assert.is_truthy(failure.message:find("config held the engine for 1%.%d s"))
  end)
end)
