-- SPDX-License-Identifier: MIT
--- The keys of some maps, each once and in their order. Pure.

---@param ... table<string, any>
---@return string[]
return function(...)
  local keys, seen = {}, {}
  for _, map in ipairs({ ... }) do
    for key in pairs(map) do
      if not seen[key] then keys[#keys + 1], seen[key] = key, true end
    end
  end
  table.sort(keys)
  return keys
end
