-- SPDX-License-Identifier: MIT
--- Names that DNS servers can be asked for.
local byte, find = string.byte, string.find

local M = {}

local DOT = 46
local MAX_NAME, MAX_LABEL = 253, 63 -- bytes; RFC 1035 section 2.3.4

--- Cuts off the trailing dot that says that a name is absolute; the root's stays.
---@return string name
---@return boolean is_absolute
function M.split(name)
  if byte(name, -1) ~= DOT then return name, false end
  return #name > 1 and name:sub(1, -2) or name, true
end

local function find_bad_label(name)
  for label in (name .. "."):gmatch("([^.]*)%.") do
    if #label < 1 or #label > MAX_LABEL then
      return ('bad name "%s": a label of %d bytes, expected 1 to %d'):format(name, #label, MAX_LABEL)
    end
  end
end

--- What is wrong with a name; nil if it can be asked for.
---@param name string without a trailing dot
---@return string? problem
function M.find_problem(name)
  if #name > MAX_NAME then return ("bad name: %d bytes, expected at most %d"):format(#name, MAX_NAME) end
  local at = find(name, "[%z\1-\32:\\\127-\255]")
  if at and byte(name, at) == 0 then return "bad name: it has a zero byte" end
  if at then
    return ('bad name: byte 0x%02x after "%s", expected a host name'):format(byte(name, at), name:sub(1, at - 1))
  end
  if name == "." then return nil end
  local is_plain = #name <= MAX_LABEL and not find(name, "..", 1, true)
  if is_plain and (byte(name) or DOT) ~= DOT and byte(name, -1) ~= DOT then return nil end
  return find_bad_label(name)
end

return M
