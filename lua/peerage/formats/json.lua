-- SPDX-License-Identifier: MIT
--- A list in JSON: of names, hosts or objects with a name; `select` says where it is in the document.
local describe = require("peerage.describe")
local entry = require("peerage.formats.entry")
local json = require("engine.json")
local paths = require("peerage.formats.path")

local M = { nobody = "an empty list" }

local ROOT = {} -- the path of the document itself

-- What a function made of the document; what it raises is the provider's error.
local function read_chosen(choose, value, app_name)
  local list, message = choose(value)
  if list == nil and type(message) == "string" then return nil, message end
  if type(list) ~= "table" then
    return nil, "select: expected a list, or nil and a message, found " .. describe.value(list)
  end
  local nodes = {}
  for index, item in next, list do
    if type(index) ~= "number" then return nil, "select: expected a list, found the key " .. describe.key(index) end
    local node, wrong = entry.of(item, app_name)
    if not node then return nil, ("select: element %g: %s"):format(index, wrong) end
    nodes[#nodes + 1] = node
  end
  return nodes, message
end

local function read_path(path, value, app_name)
  local nodes = {}
  local skipped, message = paths.follow(path and assert(paths.parse(path)) or ROOT, value, function(item)
    local node, wrong = entry.of(item, app_name)
    nodes[#nodes + 1] = node
    return node, wrong
  end)
  if not skipped then
    return nil, message .. (not path and not json.is_array(value) and ": select says where the list is" or "")
  end
  if #nodes > 0 or skipped == 0 then return nodes end
  return nodes, ("none of %d elements has what select names: %s"):format(skipped, path)
end

---@param data string
---@param options { app_name: string?, select: string|function|nil }
---@return peerage.Node[]|nil nodes
---@return string? message with nodes: they are a part
function M.read(data, options)
  local value, message = json.decode(data)
  if value == nil then return nil, message end
  if type(options.select) == "function" then return read_chosen(options.select, value, options.app_name) end
  return read_path(options.select, value, options.app_name)
end

return M
