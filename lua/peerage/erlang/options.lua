-- SPDX-License-Identifier: MIT
--- Options of an Erlang node of ours, for the connectors that have one.
local cookies = require("peerage.erlang.cookie")

local M = {}

---@type peerage.Schema
M.common = {
  cookie = {
    type = "string", min = 1, max = 255, secret = true, check = cookies.check,
    doc = "what all nodes must have in common; default: that in cookie_file",
  },
  cookie_file = { type = "path", doc = "default: ~/.erlang.cookie" },
  ticktime = { type = "number", default = 60, min = 1, max = 86400, doc = "seconds until a silent node is down" },
  max_frame = { type = "integer", default = 8 * 1024 ^ 2, min = 65536, max = 1024 ^ 3, doc = "bytes of one message at most" },
}

--- The common options and those of one connector.
---@param own peerage.Schema
---@return peerage.Schema
function M.with(own)
  for name, option in next, M.common do own[name] = option end
  return own
end

--- What is wrong with options taken together.
---@param options table
---@return true|nil ok, string? message
function M.check(options)
  if options.cookie and options.cookie_file then return nil, "expected cookie or cookie_file, found both" end
  return true
end

return M
