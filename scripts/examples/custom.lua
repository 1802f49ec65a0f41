-- SPDX-License-Identifier: MIT
-- Uses the provider in homies.lua, beside this file. Change that file while this runs.
return {
  via = "homies",
  connect = "none",
  interval = 2,
  on_up = function(node) print(node.name .. " is up") end,
}
