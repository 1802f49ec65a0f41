-- SPDX-License-Identifier: MIT
--- Takes away the blanks around a text. Invariant: the time is linear in the length: "^%s*(.-)%s*$" looks at each run of
--- blanks once for each of its blanks, in one C call that nothing can end.

--- Gives a text without the blanks around it.
---@param text string
---@return string
return function(text)
  local first = text:find("%S")
  return first and text:match("^.*%S", first) or ""
end
