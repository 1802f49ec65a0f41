-- SPDX-License-Identifier: MIT
--- Raises for what a term cannot be made of, in the name of the constructor's caller.
local phrases = require("peerage.describe")

---@param holds any false or nil: raise
---@param what string what was expected
---@param found any what was given instead
return function(holds, what, found)
  if not holds then error(("expected %s, found %s"):format(what, phrases.value(found)), 3) end
end
