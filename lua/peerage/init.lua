-- SPDX-License-Identifier: MIT
--- The engine as a whole: starts what a config says, follows its changes, stops.
local Cluster = require("peerage.cluster")
local Reload = require("peerage.reload")
local Shared = require("peerage.shared")
local accounts = require("peerage.accounts")
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
local service = require("peerage.service")
local stats = require("peerage.stats")
local status = require("peerage.status")
local task = require("engine.task")
local timer = require("engine.timer")

local LOAD_TIMEOUT = 10 -- seconds for a config's code

local STOP_TIMEOUT = 1.5 -- seconds for all to say goodbye; then the rest ends without
local STOP_BUDGET, STOP_BUDGETS = 0.2, 1 -- seconds of CPU meanwhile, of one account and of all

local M = { version = require("engine").version }

local running -- the engine that was started last and has not been stopped

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
  local scope = scopes.new("config", nil, accounts.config())
  local ok, loaded, message = call.run(scope, LOAD_TIMEOUT, config.load, path, with)
  scope:close()
  if not ok then return nil, ("%s: %s"):format(path, loaded.message), unit.files end
  if loaded then
    unit.files[path] = loaded.source
    loaded.files = unit.files
  end
  return loaded, message, unit.files
end

-- Others whose connections are the same ones.
local function siblings_of(self, cluster)
  local siblings, shared = {}, cluster.connector_part.shared
  for _, other in next, shared and self.clusters or {} do
    if other ~= cluster and other.connector_part.shared == shared then siblings[#siblings + 1] = other end
  end
  return siblings
end

local function start_cluster(self, planned)
  self.clusters[planned.name] = Cluster.start(planned, {
    name = self.name, scope = self.scope,
    on_poll = function() self.reload:glance() end,
    on_report = function() service.status(status.summary(self.clusters)) end,
    siblings = function(cluster) return siblings_of(self, cluster) end,
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
    add(cluster.unstarted)
  end
  return files
end

local function say_defaults(planned)
  for _, each in ipairs(planned.clusters) do
    if each.settings.connect.default then
      log.info(('connect: not given, so "%s"%s'):format(each.connector.name, planned.clusters[2] and " for " .. each.name or ""))
    end
  end
end

--- Starts what a plan says. Nothing of it is started if it is not whole. Waits for what connectors share.
---@param planned peerage.Plan
---@param overrides table|nil to load the config again with
---@return peerage.Engine|nil engine
---@return string? message of the connector that could not make what its clusters share
function M.start(planned, overrides)
  local conf, scope = planned.config, scopes.new("engine")
  local self = setmetatable({
    config = conf, overrides = overrides, name = conf.name or M.random_name(), scope = scope, clusters = {},
    refused = {}, -- files of a config that was not taken
  }, Engine)
  self.shared = Shared.new(scope, self.name)
  for _, warning in ipairs(planned.warnings) do log.warn(warning) end
  say_defaults(planned)
  local ok, message = self.shared:provide(planned.clusters)
  if not ok then
    scope:close()
    return nil, message
  end
  for _, each in ipairs(planned.clusters) do start_cluster(self, each) end
  self.reload = Reload.start(self.scope, conf.reload, function() return files_in_use(self) end,
    function(changed) self:take_changes(changed) end,
    function(is_over) (is_over and service.ready or service.reloading)() end)
  running = self
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
  local ok = planned ~= nil
  if ok then ok, message = self.shared:provide({ planned }) end
  if not ok then
    log.error("not reloaded, the old version keeps running: " .. message)
    cluster.unstarted = files
    return
  end
  for _, warning in ipairs(planned.warnings) do log.warn(warning) end
  rollout.configure(cluster, planned)
  self.shared:keep(self.clusters)
end

-- The name that the config had at the start stays, and so does what depends on it.
local function keep_name(self, conf)
  if conf.name ~= self.config.name then
    conf.warnings[#conf.warnings + 1] = ("name: changed from %s to %s: that needs a restart"):format(self.name, conf.name or "none")
  end
  conf.name, conf.name_given = self.config.name, self.config.name_given
end

-- What a changed config comes to; else the files that were read in vain.
local function prepare(self)
  local with = copy(self.overrides or {})
  with.is_named = self.config.name_given
  local conf, message, files = M.load_config(self.config.path, with)
  if not conf then return nil, message, files end
  keep_name(self, conf)
  local planned, ok
  planned, message, files = plan.prepare(conf)
  if not planned then return nil, message, files end
  ok, message = self.shared:provide(planned.clusters)
  if not ok then return nil, message, planned.files end
  return planned
end

-- What goes makes room first: what comes may want the same port.
local function apply(self, planned)
  self.shared:settle(planned.clusters)
  for name, cluster in next, self.clusters do
    if not planned.config.clusters[name] then
      self.clusters[name] = nil
      cluster:hand_over()
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
  self.shared:keep(self.clusters)
end

-- Whether the new config was taken.
local function reload_config(self)
  local planned, message, files = prepare(self)
  if not planned then
    log.error("not reloaded, the old config stays: " .. message)
    self.refused = files
    return false
  end
  local conf = planned.config
  self.refused = {}
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
      or any_of(cluster.refused, changed) or any_of(cluster.unstarted, changed) then
      reload_cluster(self, cluster)
    end
  end
end

--- Looks at once whether a file changed. What was refused is tried again: what it lacked may be there now.
function Engine:reload_now()
  if next(self.refused) then self.reload:forget(self.config.path) end
  for _, cluster in next, self.clusters do
    for path in next, cluster.unstarted do self.reload:forget(path) end
  end
  self.reload:now()
end

--- The answer to "why is X not there?".
---@return string
function Engine:explain()
  local state = { now = timer.now(), version = M.version, self_name = self.name, clusters = {}, counters = {} }
  local clusters = {}
  for _, cluster in next, self.clusters do clusters[#clusters + 1] = cluster end
  table.sort(clusters, function(a, b) return a.name < b.name end)
  local asked = {}
  for i, cluster in ipairs(clusters) do asked[i] = function() return status.counters(cluster) end end
  for _, counters in ipairs(task.all(asked) or {}) do -- that waits, and a reload may come meanwhile
    for name, count in next, counters do state.counters[name] = count end
  end
  for i, cluster in ipairs(clusters) do state.clusters[i] = status.state(cluster) end
  return report.explain(state)
end

--- What every part of every cluster costs and how it fares.
---@return peerage.Stats
function Engine:stats()
  local clusters = {}
  for name, cluster in next, self.clusters do clusters[name] = stats.of_cluster(cluster) end
  return { version = M.version, process = stats.of_process(), clusters = clusters }
end

-- One who is over its budget holds up all the others, so that nobody may have what he has otherwise.
local function hurry(self)
  local owners, settings = {}, {}
  for _, cluster in next, self.clusters do
    for _, account in ipairs(cluster:accounts()) do owners[#owners + 1], settings[account] = account, cluster.settings end
  end
  local budget = math.min(STOP_BUDGET, STOP_BUDGETS / #owners)
  for _, account in ipairs(owners) do
    local usual = settings[account]
    accounts.limit(account, { budget = math.min(usual.budget or budget, budget), memory_limit = usual.memory_limit })
  end
end

local function say_goodbye(self)
  local stops = {}
  for _, cluster in next, self.clusters do
    stops[#stops + 1] = function() cluster:stop() end
  end
  task.all(stops)
  self.shared:keep({})
  return true
end

--- Ends everything, politely: providers get a second to say goodbye, and all together 1.5 s.
function Engine:stop()
  if running == self then running = nil end
  hurry(self)
  local stopped, late = task.timeout(STOP_TIMEOUT, say_goodbye, self)
  if not stopped then log.warn("not all could be ended politely: " .. late) end
  self.scope:close()
end

---@class peerage.Stats
---@field version string
---@field process peerage.ProcessStats
---@field clusters table<string, peerage.ClusterStats> by name; "default" of a flat config

--- What the running engine's parts cost and how they fare. Providers, connectors and hooks may ask, too. Does not wait.
---@return peerage.Stats|nil stats, string? message there is no engine
function M.stats()
  if not running then return nil, "no engine runs here" end
  return running:stats()
end

return M
