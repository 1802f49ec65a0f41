-- SPDX-License-Identifier: MIT
-- The options of a provider and of a connector, once they are loaded and their schemas known.
local config_file = require("peerage.config.file")
local copy = require("peerage.copy")
local deep_copy = require("peerage.deep_copy")
local describe = require("peerage.describe")
local nearest = require("peerage.nearest")
local schema = require("peerage.schema")

local M = {}

local function check_schema(module, word, where)
  local name = module.name and " " .. describe.text(module.name) or ""
  return schema.check(module.options, where .. ": " .. word .. name .. ": options")
end

local function connector_knows(key, connector)
  return connector.options and connector.options[key] ~= nil
end

local function write_connect(key, connector)
  if not connector.name then return "" end
  return ': write connect = { ' .. describe.text(connector.name) .. ", " .. describe.key(key) .. " = … }"
end

local function is_one_of(key, list)
  for _, each in ipairs(list) do
    if each == key then return true end
  end
  return false
end

--- A key in the wrong place: the connector's beside `via`, or the cluster's inside it.
local function misplaced(via, provider, connector, known)
  for key in next, via.options do
    if provider.options[key] == nil then
      if via.flat and connector_knows(key, connector) then
        return via.where .. ": " .. describe.key(key) .. " belongs to connect" .. write_connect(key, connector)
      end
      if not via.flat and is_one_of(key, known) then
        return via.where .. ": " .. key .. " is not an option of the provider: write it beside via"
      end
    end
  end
end

--- What looks wrong in options that no schema checks.
local function warnings(via, connector, known)
  local list = {}
  for key in next, via.options do
    local meant = nearest(key, known)
    local start = via.where .. ": " .. describe.key(key) .. " is given to the provider: "
    if meant then
      list[#list + 1] = start .. "did you mean " .. describe.text(meant) .. "?"
    elseif via.flat and connector_knows(key, connector) then
      list[#list + 1] = start .. "the connector has such an option too" .. write_connect(key, connector)
    end
  end
  table.sort(list)
  return list
end

-- Of their own, since clusters may share tables of the config, and schemas have defaults. Paths begin at the config's folder.
local function place(options, of, folder)
  for name, option in next, of do
    if option.type == "path" and options[name] then options[name] = config_file.join(folder, options[name]) end
  end
  return deep_copy(options)
end

--- Validates the options of a provider. `known` has the keys of the cluster and the engine.
---@param cluster peerage.ClusterConfig
---@param provider { name: string?, options: peerage.Schema? }
---@param connector { name: string?, options: peerage.Schema? }
---@param known string[]
---@return table|nil options
---@return string|string[] message on success a list of warnings
function M.provider(cluster, provider, connector, known)
  local via = cluster.via
  if not provider.options then return deep_copy(via.options), warnings(via, connector, known) end
  local ok, message = check_schema(provider, "provider", via.where)
  if not ok then return nil, message end
  message = misplaced(via, provider, connector, known)
  if message then return nil, message end
  local options
  options, message = schema.validate(provider.options, via.options, via.where, known)
  if options then return place(options, provider.options, cluster.folder), {} end
  return nil, message .. (via.default and next(via.options) ~= nil and ' (without a via, the provider is "self")' or "")
end

-- Each place answers for what stands there; what is required may stand in another one.
local function check_places(places, options)
  local optional = {}
  for name, option in next, options do
    optional[name] = copy(option)
    optional[name].required = nil
  end
  for _, each in ipairs(places) do
    local ok, message = schema.validate(optional, each.options, each.where)
    if not ok then return nil, message end
  end
  return true
end

--- Validates the options of a cluster's connector.
---@param cluster peerage.ClusterConfig
---@param connector { name: string?, options: peerage.Schema? }
---@return table|nil options
---@return string? message
function M.connector(cluster, connector)
  local connect = cluster.connect
  if not connector.options then return deep_copy(connect.options) end
  local ok, message = check_schema(connector, "connector", connect.where)
  if ok and connect.places then ok, message = check_places(connect.places, connector.options) end
  if not ok then return nil, message end
  local options
  options, message = schema.validate(connector.options, connect.options, connect.where)
  return options and place(options, connector.options, cluster.folder), message
end

return M
