-- SPDX-License-Identifier: MIT
--- A provider: a node on each IPv4 address of this host. Save a change, and the engine takes it up at once.
local net = require("engine.net")

local M = { options = { app_name = { type = "string", default = "homie", doc = "the part before the @" } } }

function M.poll(self)
  local nodes = {}
  for _, interface in ipairs(net.interfaces()) do
    if interface.family == "inet" then nodes[#nodes + 1] = self.options.app_name .. "@" .. interface.address end
  end
  return nodes
end

return M
