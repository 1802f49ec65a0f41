-- SPDX-License-Identifier: MIT
--- Copies a table and all tables in it: the shape, cycles too, and the metatables, which are shared. Functions, userdata and
--- coroutines stay what they are, and no metamethod runs or hides a metatable.

local function copy(value, copies)
  if type(value) ~= "table" then return value end
  if copies[value] then return copies[value] end
  local result = {}
  copies[value] = result
  for key, item in next, value do result[copy(key, copies)] = copy(item, copies) end
  return setmetatable(result, debug.getmetatable(value))
end

---@generic T
---@param value T
---@return T
return function(value) return copy(value, {}) end
