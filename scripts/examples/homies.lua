-- SPDX-License-Identifier: MIT
--- A provider: the nodes that a file names, one a line. HOMIES=path says which file.
local fs = require("engine.fs")

local M = { options = { file = { type = "string", default = "/etc/homies", doc = "one node name a line" } } }

function M.poll(self)
  local text, message = fs.read(self.options.file)
  if not text then return nil, message end -- the last good list stays
  local nodes = {}
  for name in text:gmatch("%S+") do nodes[#nodes + 1] = name end
  return nodes
end

return M
