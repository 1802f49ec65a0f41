-- SPDX-License-Identifier: MIT
--- Plain data as JSON can hold it: a table that is no list has strings as keys. Where "1" and 1 are keys, "1" stands.

local function is_list(value)
  local count = 0
  for _ in next, value do count = count + 1 end
  for i = 1, count do
    if value[i] == nil then return false end
  end
  return true
end

local function with_text_keys(value)
  if type(value) ~= "table" then return value end
  local result, is_plain = {}, is_list(value)
  for key, item in next, value do
    local name = type(key) == "number" and not is_plain and tostring(key) or key
    if name == key or value[name] == nil then result[name] = with_text_keys(item) end
  end
  return result
end

---@param value any without tables that hold themselves
---@return any a copy; a list stays one
return with_text_keys
