-- SPDX-License-Identifier: MIT
--- Tells addresses from names, by the engine's own reader of both. Pure.
local hostname = require("engine.dns.hostname")

local M = {}

--- Whether a text is an address as it is: IPv4 or IPv6, with a zone or without.
---@param text string
---@return boolean
function M.is_literal(text) return hostname.parse(text).address ~= nil end

return M
