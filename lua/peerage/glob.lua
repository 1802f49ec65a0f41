-- SPDX-License-Identifier: MIT
--- Patterns of file names: "*" is any bytes, "?" is one. Pure.
--- Invariant: the time is bounded by the lengths multiplied, however many stars there are: nothing is tried twice.

-- As a Lua pattern: each byte is itself, but for "?".
local function literally(part) return (part:gsub("[^%w?]", "%%%0"):gsub("?", ".")) end

-- What stands between the stars.
local function split(glob)
  local parts = {}
  for part in (glob .. "*"):gmatch("([^*]*)%*") do parts[#parts + 1] = part end
  return parts
end

--- Makes a question of a pattern; hidden files are named in full, as in a shell.
---@param glob string
---@return (fun(name: string): boolean)|nil matches nil: it is a plain name
return function(glob)
  if not glob:find("[*?]") then return nil end
  local parts = split(glob)
  local first, last, size = literally(parts[1]), literally(parts[#parts]), #parts[#parts]
  local between, takes_hidden = {}, glob:sub(1, 1) == "."
  for i = 2, #parts - 1 do between[i - 1] = literally(parts[i]) end

  return function(name)
    if name:sub(1, 1) == "." and not takes_hidden then return false end
    if #parts == 1 then return name:find("^" .. first .. "$") ~= nil end
    local _, at = name:find("^" .. first)
    for _, part in ipairs(between) do
      if not at then return false end
      _, at = name:find(part, at + 1)
    end
    return at ~= nil and #name - size >= at and name:find("^" .. last .. "$", #name - size + 1) ~= nil
  end
end
