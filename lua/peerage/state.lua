-- SPDX-License-Identifier: MIT
--- What a provider keeps from one version to the next: plain data, copied, so that a roll-back finds what the old one had.
local describe = require("peerage.describe")

local M = {}

local UNFIT = { ["function"] = true, userdata = true, thread = true }

--- Copies plain data, cycles included and metatables not. Functions, userdata and coroutines are left out.
---@param value any read with raw access
---@return any copy
---@return string? dropped the first thing left out: "refresh: a function"
function M.copy(value)
  local copies, todo, dropped = {}, {}, nil
  local function copy(item, key)
    if UNFIT[type(item)] then
      dropped = dropped or ("%s: %s"):format(describe.key(key), describe.value(item))
      return nil
    end
    if type(item) ~= "table" then return item end
    if not copies[item] then
      copies[item] = {}
      todo[#todo + 1] = item
    end
    return copies[item]
  end
  local result = copy(value, "state")
  while todo[1] do -- no recursion, for a chain may be longer than a stack
    local original = table.remove(todo)
    local into = copies[original]
    for key, item in next, original do
      local new_key = copy(key, key)
      if new_key ~= nil then into[new_key] = copy(item, key) end
    end
  end
  return result, dropped
end

--- How long all different strings in it are together.
---@param value any as M.copy gives it
---@return integer bytes
function M.string_bytes(value)
  local seen, todo, bytes = {}, { value }, 0
  local function add(item)
    local kind = type(item)
    if kind ~= "string" and kind ~= "table" or seen[item] then return end
    seen[item] = true
    if kind == "string" then bytes = bytes + #item else todo[#todo + 1] = item end
  end
  while todo[1] do
    for key, item in next, table.remove(todo) do
      add(key)
      add(item)
    end
  end
  return bytes
end

return M
