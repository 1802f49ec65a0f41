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

return M
