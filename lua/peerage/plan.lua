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

local function load_part(conf, kind, spec)
  local unit, message, files = M.load_unit(kind, spec.target, conf)
  if not unit then
    local where = type(spec.target) == "string" and not message:find("^unknown") and "" or conf.path .. ": "
    return nil, where .. shorten(message, conf.folder), files
  end
  return { unit = unit, name = type(spec.target) == "string" and unit.name or "function" }
end

---@class peerage.Part
---@field unit peerage.Unit
---@field name string
---@field options table

local function load_connector(conf, settings)
  local part, message, files = load_part(conf, loader.CONNECTOR, settings.connect)
  if not part then return nil, message, files end
  part.options, message = config.connector_options(settings, { name = part.name, options = part.unit.module.options })
  if not part.options then return nil, message, part.unit.files end
  return part
end

--- Loads a cluster's provider as it is now, with valid options.
---@param conf table
---@param settings table the cluster's
---@param connector peerage.Part
---@return peerage.Part|nil part
---@return string|string[] message on success a list of warnings
---@return table<string, string>? files that were read when it failed
function M.load_provider(conf, settings, connector)
  local part, message, files = load_part(conf, loader.PROVIDER, settings.via)
  if not part then return nil, message, files end
  part.options, message = config.provider_options(settings,
    { name = part.name, options = part.unit.module.options },
    { name = connector.name, options = connector.unit.module.options })
  if not part.options then return nil, message, part.unit.files end
  if settings.serves == true and not rawget(part.unit.module, "serve") then
    return nil, ("%s: serves: expected a provider with serve(), found that %s has none"):format(conf.path, part.name),
      part.unit.files
  end
  return part, message
end

---@class peerage.PlannedCluster
---@field name string
---@field settings table of the config
---@field provider peerage.Part
---@field connector peerage.Part

local function plan_cluster(conf, name, settings, warnings)
  local connector, message, files = load_connector(conf, settings)
  if not connector then return nil, message, files end
  local provider
  provider, message, files = M.load_provider(conf, settings, connector)
  if not provider then return nil, message, files end
  for _, warning in ipairs(message) do warnings[#warnings + 1] = warning end
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
