-- SPDX-License-Identifier: MIT
-- "did you mean": close words are found, far ones are not.
local nearest = require("peerage.nearest")

describe("the nearest word", function()
  local options = { "interval", "timeout", "connect_timeout", "via", "port" }

  for typed, meant in pairs({
    intervall = "interval", intreval = "interval", Interval = "interval", INTERVAL = "interval", interva = "interval",
    tiemout = "timeout", connect_timout = "connect_timeout", vai = "via", prot = "port", connecttimeout = "connect_timeout",
  }) do
    it("is " .. meant .. " for " .. typed, function() assert.equal(meant, nearest(typed, options)) end)
  end

  for _, typed in ipairs({ "cookie", "x", "", "dns_name", "p", ("interval"):rep(20) }) do
    it("is none for " .. typed:sub(1, 20), function() assert.is_nil(nearest(typed, options)) end)
  end

  it("is none for one character, which every other resembles", function() assert.is_nil(nearest("a", { "b" })) end)

  it("is the first in the alphabet of several, whatever their order", function()
    assert.equal("bat", nearest("cat", { "rat", "bat", "hat" }))
    assert.equal("bat", nearest("cat", { "hat", "bat", "rat" }))
  end)

  it("is none for what is not a string, and among what is not a string", function()
    assert.is_nil(nearest(42, options))
    assert.is_nil(nearest(nil, options))
    assert.equal("always", nearest("alway", { false, true, "always" }))
  end)
end)
