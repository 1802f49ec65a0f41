-- SPDX-License-Identifier: MIT
--- Prometheus' target groups, as http_sd and file_sd have them in JSON: a list of { targets, labels }. Each target host:port
--- is app_name@host with that port, and the labels as its meta. A target may be a node's name, too: app@10.0.0.1:9000.
--- https://prometheus.io/docs/prometheus/latest/configuration/configuration/#http_sd_config
local Elements = require("peerage.formats.elements")
local describe = require("peerage.describe")
local entry = require("peerage.formats.entry")
local json = require("engine.json")

local M = { is_bare = true, nobody = "an empty list" } -- is_bare: lists hosts, which need app_name; provider file lets it be missing

local function is_list(value) return json.is_array(value) end
local function is_object(value) return type(value) == "table" and not is_list(value) end

local function check_labels(labels)
  if labels == nil then return true end
  if not is_object(labels) then return nil, "labels: expected an object, found " .. entry.kind(labels) end
  for name, value in pairs(labels) do
    if type(value) ~= "string" then
      return nil, ("labels: %s: expected a string, found %s"):format(describe.key(name), entry.kind(value))
    end
  end
  return true
end

local function read_target(target, labels, app_name)
  if type(target) ~= "string" then return nil, 'expected "host:port", found ' .. entry.kind(target) end
  local node, message = entry.read(target, app_name)
  if node then node.meta = labels end
  return node, message
end

local function check_group(group)
  if not is_object(group) then return nil, "expected an object with targets, found " .. entry.kind(group) end
  if not is_list(group.targets) then
    return nil, 'targets: expected a list of "host:port", found ' .. entry.kind(group.targets)
  end
  return check_labels(group.labels)
end

local function add_group(elements, number, group, app_name)
  local ok, message = check_group(group)
  if not ok then return elements:refuse(("group %d: "):format(number), message) end
  local labels = group.labels and next(group.labels) and group.labels or nil
  for i, target in ipairs(group.targets) do
    local node, wrong = read_target(target, labels, app_name)
    if node then
      elements:add(node)
    else
      elements:refuse(("group %d: target %d: "):format(number, i), wrong)
    end
  end
end

---@param data string
---@param options { app_name: string? } without it a target must be a node's name
---@return peerage.Node[]|nil nodes
---@return string? message with nodes: they are a part
function M.read(data, options)
  local groups, message = json.decode(data)
  if groups == nil then
    return nil, message .. (data:find("^%s*%-%s") and ": it looks like YAML: only JSON is read" or "")
  end
  if not is_list(groups) then return nil, "expected a list of { targets, labels }, found " .. entry.kind(groups) end
  local elements = Elements.new()
  for i, group in ipairs(groups) do add_group(elements, i, group, options.app_name) end
  return elements:result()
end

return M
