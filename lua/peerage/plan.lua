-- SPDX-License-Identifier: MIT
--- What a config comes to: each cluster's provider and connector, loaded, with valid options; nothing started.
local call = require("peerage.call")
local config = require("peerage.config")
local loader = require("peerage.loader")
local scopes = require("engine.scope")

local M = {}

local LOAD_TIMEOUT = 10 -- seconds for the top level of one provider file

--- Loads a unit in a task of its own: a file's top level is the user's code.
---@param kind peerage.Kind
---@param target string|function|table
---@param folders { folder: string, provider_path: string[]? }
---@param earlier peerage.Unit|nil
---@return peerage.Unit|nil unit, string? message, table<string, string>? files
function M.load_unit(kind, target, folders, earlier)
  local scope = scopes.new(kind.word)
  local ok, unit, message, files = call.run(scope, LOAD_TIMEOUT, loader.load, kind, target, folders, earlier)
  scope:close()
  if not ok then return nil, unit.message end
  return unit, message, files
end

--- The path as the user knows it: relative to the config's folder where it is below it.
local function shorten(message, folder)
  local start, finish = message:find(folder .. "/", 1, true)
  return start == 1 and message:sub(finish + 1) or message
end

local function load_part(conf, cluster, kind, spec)
  local unit, message, files = M.load_unit(kind, spec.target, conf)
  if not unit then
    local where = type(spec.target) == "string" and not message:find("^unknown") and "" or conf.path .. ": "
    return nil, where .. shorten(message, conf.folder), files
  end
  return { unit = unit, name = type(spec.target) == "string" and unit.name or "function" }, cluster
end

--- Options of a provider by the schema of its (perhaps new) version.
---@return table|nil options, string? message
function M.options(cluster, provider, connector)
  local options, message = config.provider_options(cluster,
    { name = provider.name, options = provider.unit.module.options },
    { name = connector.name, options = connector.unit.module.options })
  return options, message
end

---@class peerage.Part
---@field unit peerage.Unit
---@field name string
---@field options table

---@class peerage.PlannedCluster
---@field name string
---@field settings table of the config
---@field provider peerage.Part
---@field connector peerage.Part

local function plan_cluster(conf, name, settings, warnings)
  local provider, message, files = load_part(conf, settings, loader.PROVIDER, settings.via)
  if not provider then return nil, message, files end
  local connector
  connector, message, files = load_part(conf, settings, loader.CONNECTOR, settings.connect)
  if not connector then return nil, message, files end
  local more
  provider.options, more = M.options(settings, provider, connector)
  if not provider.options then return nil, more, provider.unit.files end
  for _, warning in ipairs(more or {}) do warnings[#warnings + 1] = warning end
  connector.options, message = config.connector_options(settings,
    { name = connector.name, options = connector.unit.module.options })
  if not connector.options then return nil, message, connector.unit.files end
  if settings.serves == true and not rawget(provider.unit.module, "serve") then
    return nil, ("%s: serves: expected a provider with serve(), found that %s has none"):format(conf.path, provider.name)
  end
  return { name = name, settings = settings, provider = provider, connector = connector }
end

--- Loads everything that a config names.
---@param conf table as peerage.config gives it
---@return { config: table, clusters: peerage.PlannedCluster[], warnings: string[] }|nil plan
---@return string? message, table<string, string>? files that were read when it failed
function M.prepare(conf)
  local plan = { config = conf, clusters = {}, warnings = {} }
  local names = {}
  for name in next, conf.clusters do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local cluster, message, files = plan_cluster(conf, name, conf.clusters[name], plan.warnings)
    if not cluster then return nil, message, files end
    plan.clusters[i] = cluster
  end
  return plan
end

return M
