-- SPDX-License-Identifier: MIT
--- Copies a table one level deep, without metatable and metamethods. What is deep and plain data is peerage.state's.

---@param of table
---@return table
return function(of)
  local result = {}
  for key, value in next, of do result[key] = value end
  return result
end
