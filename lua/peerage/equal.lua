-- SPDX-License-Identifier: MIT
--- Whether two values are the same in value, tables compared deep. A function is the same as itself only: what it refers
--- to may be another. Metatables do not count, and no metamethod runs.

local function equal(a, b, seen)
  if type(a) ~= type(b) then return false end
  if type(a) ~= "table" then return rawequal(a, b) end
  if rawequal(seen[a], b) then return true end
  seen[a] = b
  for key, value in next, a do
    if not equal(value, rawget(b, key), seen) then return false end
  end
  for key in next, b do
    if rawget(a, key) == nil then return false end
  end
  return true
end

---@param a any
---@param b any
---@return boolean
return function(a, b) return equal(a, b, {}) end
