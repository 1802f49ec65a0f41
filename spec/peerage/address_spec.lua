-- SPDX-License-Identifier: MIT
local address = require("peerage.address")

describe("an address", function()
  for _, text in ipairs({ "127.0.0.1", "0.0.0.0", "::1", "::", "fe80::1%lo" }) do
    it("is " .. text, function() assert.is_true(address.is_literal(text)) end)
  end

  for _, text in ipairs({ "localhost", "example.org", "127.0.0.1.example", "1.2.3.256", "fe80:::1", "" }) do
    it(("is not %q"):format(text), function() assert.is_false(address.is_literal(text)) end)
  end
end)
