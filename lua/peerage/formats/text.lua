-- SPDX-License-Identifier: MIT
--- Lines of a text: what follows a "#", blanks around them and empty ones do not count, and errors name their number.
local M = {}

--- Calls `take(line)` for each line that says something; what it refuses ends the reading.
---@param text string
---@param take fun(line: string): any, string? nil and a message: it is wrong
---@return true|nil ok
---@return string? message begins with "line 3: "
function M.each_line(text, take)
  local number = 0
  for line in (text:gsub("^\239\187\191", "") .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    local said = line:match("^[^#]*"):match("^%s*(.-)%s*$")
    if said ~= "" then
      local ok, message = take(said)
      if not ok then return nil, ("line %d: %s"):format(number, message) end
    end
  end
  return true
end

return M
