-- SPDX-License-Identifier: MIT
-- The config: loads the file, resolves its deferred values, validates all of it.
-- Invariant: what `load` returns is complete and valid; a message begins with the path as given, then the key.
local config_cluster = require("peerage.config.cluster")
local config_erlang = require("peerage.config.erlang")
local config_options = require("peerage.config.options")
local config_file = require("peerage.config.file")
local copy = require("peerage.copy")
local deferred = require("peerage.deferred")
local describe = require("peerage.describe")
local nearest = require("peerage.nearest")
local node = require("peerage.node")
local schema = require("peerage.schema")
local source_file = require("peerage.source")

local M = {}

---@class peerage.Config
---@field path string as given
---@field folder string of the file; relative paths in the config begin here
---@field source string the text, to compare with at a reload
---@field name? string
---@field name_given boolean
---@field log_level "debug"|"info"|"warn"|"error"
---@field log_format "text"|"json"
---@field reload boolean
---@field provider_path string[]
---@field erlang? table
---@field clusters table<string, peerage.ClusterConfig>
---@field warnings string[]

---@class peerage.ConfigOverrides
---@field name? string from --name
---@field log_level? string
---@field log_format? string
---@field environment? fun(path: string): table makes the globals of the config
---@field getenv? fun(name: string): string|nil `os.getenv` unless given
---@field cwd? string the current folder: makes `folder` and `provider_path` absolute
---@field is_named? boolean whether this node was given a name; nil: as the config says

local LONGEST_CLUSTER = 64 -- bytes: the name stands in every line of its log

local KEYS = {
  name = { type = "string", check = node.parse, doc = "this node" },
  clusters = { type = "table" },
  erlang = { type = "table", doc = "options of the process's one Erlang node" },
  provider_path = { type = "list", of = { type = "string", min = 1 }, default = {} },
  reload = { type = "boolean", default = true },
  log_level = { type = "string", values = { "debug", "info", "warn", "error" }, default = "info" },
  log_format = { type = "string", values = { "text", "json" }, default = "text" },
}

--- Every key of a config, for suggestions.
local known = schema.names(config_cluster.keys)
for _, key in ipairs(schema.names(KEYS)) do known[#known + 1] = key end

M.connector_options = config_options.connector

--- The provider's options, validated by its schema; without one they are handed over as they are.
---@param cluster peerage.ClusterConfig
---@param provider { name: string?, options: peerage.Schema? }
---@param connector { name: string?, options: peerage.Schema? }
---@return table|nil options
---@return string|string[] message on success a list of warnings
function M.provider_options(cluster, provider, connector)
  return config_options.provider(cluster, provider, connector, known)
end

--- The values with what stands outside of the file in the place of the file's own, which need not even resolve then.
local function override(values, overrides, getenv, path)
  local result, name, source = copy(values), overrides.name, "--name"
  if name == nil then name, source = getenv("PEERAGE_NAME"), "PEERAGE_NAME" end
  if name ~= nil and (name ~= "" or source == "--name") then
    local ok, message = schema.validate({ [source] = KEYS.name }, { [source] = name }, path)
    if not ok then return nil, message end
    result.name = name
  end
  for _, key in ipairs({ "log_level", "log_format" }) do
    if overrides[key] ~= nil then result[key] = overrides[key] end
  end
  return result
end

--- The engine's keys apart from the clusters'.
local function split(values)
  local engine, rest = {}, {}
  for key, value in next, values do
    local into = KEYS[key] and engine or rest
    into[key] = value
  end
  return engine, rest
end

local function check_outer(outer, context)
  local path = context.path
  for key in next, outer do
    if not config_cluster.keys[key] then
      if type(key) ~= "string" then return nil, path .. ": unexpected item " .. describe.key(key) .. ": expected key = value" end
      local meant = nearest(key, known)
      return nil, path .. ": unknown key " .. describe.text(key) .. ": " .. (meant and "did you mean " .. describe.text(meant) .. "?"
        or "beside clusters, a provider's options stand in the cluster that has the provider")
    end
  end
  return config_cluster.read(outer, {}, nil, context)
end

local function check_cluster(name, values, path)
  if type(name) ~= "string" or #name > LONGEST_CLUSTER or not string.find(name, "^[%w_.-]+$") then
    return nil, path .. ": clusters: expected names of letters, digits, _ . and -, at most 64 bytes, as keys, found "
      .. describe.value(name) .. ": write clusters = { web = { … } }"
  end
  local where = path .. ": clusters." .. name
  if type(values) ~= "table" then return nil, where .. ": expected a table, found " .. describe.value(values) end
  for key in next, values do
    if KEYS[key] then return nil, where .. ": " .. key .. " is a key of the engine: write it at the top level" end
  end
  return true
end

local function read_clusters(engine, outer, context)
  if not engine.clusters then
    local cluster, message = config_cluster.read(outer, {}, nil, context)
    return cluster and { default = cluster }, message
  end
  local path = context.path
  local ok, message = check_outer(outer, context)
  if not ok then return nil, message end
  if next(engine.clusters) == nil then
    return nil, path .. ": clusters: expected at least one, found an empty table: write clusters = { web = { … } }"
  end
  local clusters = {}
  for name, values in next, engine.clusters do
    ok, message = check_cluster(name, values, path)
    if not ok then return nil, message end
    clusters[name], message = config_cluster.read(values, outer, name, context)
    if not clusters[name] then return nil, message end
  end
  return clusters
end

--- Validates what a config's file returned, deferred values resolved.
local function validate(values, path, is_named)
  local engine, outer = split(values)
  local config, message = schema.validate(KEYS, engine, path)
  if not config then return nil, message end
  config.name_given = config.name ~= nil
  if is_named == nil then is_named = config.name_given end
  config.clusters, message = read_clusters(engine, outer, { path = path, known = known, is_named = is_named })
  if not config.clusters then return nil, message end
  config.warnings, message = config_erlang.spread(config, path)
  if not config.warnings then return nil, message end
  return config
end

local function add_places(config, path, source, cwd)
  local folder = config_file.join(cwd or ".", config_file.folder(path))
  config.path, config.folder, config.source = path, folder, source
  for _, cluster in next, config.clusters do cluster.folder = folder end
  for i, each in ipairs(config.provider_path) do config.provider_path[i] = config_file.join(folder, each) end
  return config
end

--- Loads a config. Runs the file's code, and the functions of its deferred values.
---@param path string
---@param overrides? peerage.ConfigOverrides
---@return peerage.Config|nil config
---@return string? message
function M.load(path, overrides)
  overrides = overrides or {}
  local getenv = overrides.getenv or os.getenv
  local source, message = source_file.read(path)
  if not source then return nil, message end
  local values
  values, message = config_file.run(source, path, overrides.environment and overrides.environment(path))
  if not values then return nil, message end
  values, message = override(values, overrides, getenv, path)
  if not values then return nil, message end
  values, message = deferred.resolve(values, path, getenv)
  if not values then return nil, message end
  local config
  config, message = validate(values, path, overrides.is_named)
  if not config then return nil, message end
  return add_places(config, path, source, overrides.cwd)
end

return M
