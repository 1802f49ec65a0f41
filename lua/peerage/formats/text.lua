-- SPDX-License-Identifier: MIT
--- Lines of a text: what follows a "#", blanks around them and empty ones do not count, and errors name their number.
--- Invariant: the time is linear in the length, for no one can end a pattern that backtracks.
local trim = require("engine.trim")

local M = {}

--- Where a text begins: behind a byte order mark.
---@param text string
---@return integer
function M.start(text) return text:find("^\239\187\191") and 4 or 1 end

--- Whether a text says nothing at all.
---@param text string
---@return boolean
function M.is_blank(text) return not text:find("%S", M.start(text)) end

--- Calls `take(line)` for each line that says something; what it refuses ends the reading.
---@param text string
---@param take fun(line: string): any, string? nil and a message: it is wrong
---@return true|nil ok
---@return string? message begins with "line 3: "
function M.each_line(text, take)
  local number = 0
  for line in (text:sub(M.start(text)) .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    local said = trim(line:match("^[^#]*"))
    if said ~= "" then
      local ok, message = take(said)
      if not ok then return nil, ("line %d: %s"):format(number, message) end
    end
  end
  return true
end

return M
