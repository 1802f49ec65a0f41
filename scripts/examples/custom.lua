-- SPDX-License-Identifier: MIT
-- Finds nodes with a provider of one's own: homies.lua beside this file. Change that file while this runs.
return {
  via = "homies",
  connect = "none",
  interval = 2,
  on_up = function(node) print(node.name .. " is up") end,
  on_down = function(node, reason) print(node.name .. " is down: " .. reason) end,
}
