-- SPDX-License-Identifier: MIT
--- A list in JSON: of names, hosts or objects with a name; `select` says where it is in the document.
local Elements = require("peerage.formats.elements")
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
  for index in next, list do
    if type(index) ~= "number" then return nil, "select: expected a list, found the key " .. describe.key(index) end
  end
  local elements = Elements.new()
  for index, item in next, list do
    local node, wrong = entry.of(item, app_name)
    if node then
      elements:add(node)
    else
      elements:refuse(("select: element %g: "):format(index), wrong)
    end
  end
  local nodes, wrong = elements:result()
  return nodes, message and wrong and message .. "; " .. wrong or message or wrong
end

local function read_path(path, document, app_name)
  local elements = Elements.new()
  local skipped, message = paths.follow(path and assert(paths.parse(path)) or ROOT, document, function(item)
    local node, wrong = entry.of(item, app_name)
    if node then elements:add(node) end
    return wrong
  end, function(place, wrong) elements:refuse(place, wrong) end)
  if not skipped then
    return nil, message .. (not path and not json.is_array(document) and ": select says where the list is" or "")
  end
  if #elements.nodes > 0 or elements.bad > 0 or skipped == 0 then return elements:result() end
  return elements.nodes, ("none of %d elements has what select names: %s"):format(skipped, path)
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
