-- SPDX-License-Identifier: MIT
--- The engine as a whole: starts what a config says, follows its changes, stops.
local Cluster = require("peerage.cluster")
local Reload = require("peerage.reload")
local call = require("peerage.call")
local config = require("peerage.config")
local copy = require("peerage.copy")
local crypto = require("engine.crypto")
local loader = require("peerage.loader")
local log = require("engine.log")
local net = require("engine.net")
local plan = require("peerage.plan")
local report = require("peerage.report")
local rollout = require("peerage.rollout")
local scopes = require("engine.scope")
local status = require("peerage.status")
local task = require("engine.task")
local timer = require("engine.timer")

local LOAD_TIMEOUT = 10 -- seconds for a config's code

local M = { version = require("engine").version }

---@class peerage.Engine
local Engine = {}
Engine.__index = Engine

--- A name for a node that was given none: for announcing only.
---@return string
function M.random_name()
  local suffix = crypto.random(4):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
  return ("peerage-%s@%s"):format(suffix, net.default_address())
end

--- Loads a config; its file may `require` what is beside it.
---@param path string
---@param overrides table|nil as peerage.config takes it
---@return table|nil config, string? message, table<string, string>? files that were read
function M.load_config(path, overrides)
  local unit = { files = {} }
  local with = copy(overrides or {})
  with.environment = with.environment or function(of) return loader.environment(unit, of) end
  local scope = scopes.new("config")
  local ok, loaded, message = call.run(scope, LOAD_TIMEOUT, config.load, path, with)
  scope:close()
  if not ok then return nil, ("%s: %s"):format(path, loaded.message), unit.files end
  if loaded then
    unit.files[path] = loaded.source
    loaded.files = unit.files
  end
  return loaded, message, unit.files
end

local function start_cluster(self, planned)
  self.clusters[planned.name] = Cluster.start(planned, {
    name = self.name, scope = self.scope,
    on_poll = function() self.reload:glance() end,
  })
end

-- Path to text, of everything in use, and of versions that were refused: a change may mend those.
local function files_in_use(self)
  local files = {}
  local function add(more)
    for path, text in next, more do files[path] = text end
  end
  add(self.config.files)
  add(self.refused)
  for _, cluster in next, self.clusters do
    add(cluster.provider_part.unit.files)
    add(cluster.connector_part.unit.files)
    add(cluster.refused)
  end
  return files
end

--- Starts what a plan says. Nothing of it is started if it is not whole.
---@param planned { config: table, clusters: peerage.PlannedCluster[], warnings: string[] }
---@param overrides table|nil to load the config again with
---@return peerage.Engine
function M.start(planned, overrides)
  local conf = planned.config
  local self = setmetatable({
    config = conf, overrides = overrides, name = conf.name or M.random_name(), scope = scopes.new("engine"), clusters = {},
    refused = {}, -- files of a config that was not taken
  }, Engine)
  for _, warning in ipairs(planned.warnings) do log.warn(warning) end
  for _, each in ipairs(planned.clusters) do
    if each.settings.connect.default then
      log.info(('connect: not given, so "%s"%s'):format(each.connector.name, planned.clusters[2] and " for " .. each.name or ""))
    end
    start_cluster(self, each)
  end
  self.reload = Reload.start(self.scope, conf.reload, function() return files_in_use(self) end,
    function(changed) self:take_changes(changed) end)
  return self
end

local function any_of(files, changed)
  for path in next, files do
    if changed[path] then return true end
  end
  return false
end

-- A file of the provider or the connector changed, the config did not.
local function reload_cluster(self, cluster)
  local planned, message, files = plan.cluster(self.config, cluster.name)
  if not planned then
    log.error("not reloaded, the old version keeps running: " .. message)
    cluster.refused = files
    return
  end
  for _, warning in ipairs(planned.warnings) do log.warn(warning) end
  rollout.configure(cluster, planned)
end

local function warn_of_restart(self, conf)
  if conf.name and conf.name ~= self.name then
    log.warn(("name: changed from %s to %s: that needs a restart"):format(self.name, conf.name))
  end
end

-- What goes makes room first: what comes may want the same port.
local function apply(self, planned)
  for name, cluster in next, self.clusters do
    if not planned.config.clusters[name] then
      self.clusters[name] = nil
      cluster:stop()
    end
  end
  for _, each in ipairs(planned.clusters) do
    if self.clusters[each.name] then
      rollout.configure(self.clusters[each.name], each)
    else
      start_cluster(self, each)
    end
  end
end

-- Whether the new config was taken.
local function reload_config(self)
  local conf, message, files = M.load_config(self.config.path, self.overrides)
  local planned
  if conf then planned, message, files = plan.prepare(conf) end
  if not planned then
    log.error("not reloaded, the old config stays: " .. message)
    self.refused = files
    return false
  end
  self.refused = {}
  warn_of_restart(self, conf)
  log.level(conf.log_level)
  log.format(conf.log_format)
  self.config = conf
  self.reload:watch(conf.reload)
  for _, warning in ipairs(planned.warnings) do log.warn(warning) end
  apply(self, planned)
  log.info(conf.path .. ": reloaded")
  return true
end

--- Follows a change of files.
---@param changed table<string, boolean> paths
function Engine:take_changes(changed)
  local concerns_config = any_of(self.config.files, changed) or any_of(self.refused, changed)
  if concerns_config and reload_config(self) then return end
  for _, cluster in next, self.clusters do
    if any_of(cluster.provider_part.unit.files, changed) or any_of(cluster.connector_part.unit.files, changed)
      or any_of(cluster.refused, changed) then
      reload_cluster(self, cluster)
    end
  end
end

--- Looks at once whether a file changed.
function Engine:reload_now() self.reload:now() end

--- The answer to "why is X not there?".
---@return string
function Engine:explain()
  local state = { now = timer.now(), version = M.version, self_name = self.name, clusters = {}, counters = {} }
  local clusters = {}
  for _, cluster in next, self.clusters do clusters[#clusters + 1] = cluster end
  table.sort(clusters, function(a, b) return a.name < b.name end)
  for _, cluster in ipairs(clusters) do -- asking for counters waits, and a reload may come meanwhile
    for name, count in next, status.counters(cluster) do state.counters[name] = count end
  end
  for i, cluster in ipairs(clusters) do state.clusters[i] = status.state(cluster) end
  return report.explain(state)
end

--- Ends everything, politely: providers get a second to say goodbye.
function Engine:stop()
  local stops = {}
  for _, cluster in next, self.clusters do
    stops[#stops + 1] = function() cluster:stop() end
  end
  task.all(stops)
  self.scope:close()
end

return M
