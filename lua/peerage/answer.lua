-- SPDX-License-Identifier: MIT
-- What poll() said: sorts its return values into complete, partial, unknown, or a breach of the contract.
-- Invariant: nothing that the provider returned is looked into but by raw access.
local describe = require("peerage.describe")

local M = {}

---@class peerage.Answer
---@field kind "complete"|"partial"|"unknown"
---@field list? table of entries, unchecked; nil when unknown
---@field message? string why it is partial or unknown

local function reason(message)
  if message == "" then return "poll() gave an empty reason" end
  if type(message) == "string" then return message end
  return "poll() gave as its reason " .. describe.value(message) .. ": expected a string"
end

local function is_one_node(list) return rawget(list, "name") ~= nil and rawget(list, 1) == nil end

--- Classifies the return values of `poll()`.
---@param list any its first value
---@param message any its second value
---@return peerage.Answer? answer
---@return string? error when the provider broke the contract
function M.read(list, message)
  if list == nil then
    if message == nil then return nil, "poll() returned nil without a reason" end
    return { kind = "unknown", message = reason(message) }
  end
  if type(list) ~= "table" then
    local hint = type(list) == "string" and ": did you forget the braces?" or ""
    return nil, "poll() returned " .. describe.value(list) .. ": expected a list of nodes" .. hint
  end
  if is_one_node(list) then
    return nil, 'poll() returned one node: expected a list of nodes, such as { { name = "app@10.0.0.1" } }'
  end
  if message == nil then return { kind = "complete", list = list } end
  return { kind = "partial", list = list, message = reason(message) }
end

return M
