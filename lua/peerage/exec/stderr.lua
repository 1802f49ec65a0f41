-- SPDX-License-Identifier: MIT
--- What a program says on its standard error. Invariant: what is kept of it is bounded, and so is what it costs to look
--- at, whatever it is.
local M = {}

local MOST = 500 -- bytes that a message has

--- The end of what was said, without blanks around it. Linear in its length: no pattern here begins at every byte.
---@param text string
---@return string "" if nothing was said
function M.tail(text)
  local stop = text:match("^.*%S()") or 1
  local first = math.max(1, stop - MOST)
  local said = text:sub(first, stop - 1):match("^%s*(.*)$")
  return (first > 1 and "…" or "") .. said
end

--- A message with the end of what was said of that.
---@param message string
---@param text string
---@return string
function M.add(message, text)
  local said = M.tail(text)
  return said ~= "" and message .. ": " .. said or message
end

return M
