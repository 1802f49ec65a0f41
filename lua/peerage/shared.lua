-- SPDX-License-Identifier: MIT
--- What all clusters of the process with one connector share, such as the Erlang node: made by the connector's share()
--- before the first of them starts, told of other options, closed when the last has stopped.
--- Invariant: each has a scope of its own, on the account of the connector that made it, and share(), configure() and
--- close() run in tasks of their own.
local accounts = require("peerage.accounts")
local call = require("peerage.call")
local deep_copy = require("peerage.deep_copy")
local describe = require("peerage.describe")
local equal = require("peerage.equal")
local log = require("engine.log")

local M = {}
M.__index = M

local MAKE_TIMEOUT = 10 -- seconds for share(), and for configure() of what it made
local CLOSE_TIMEOUT = 1 -- seconds for close() of what it made

---@param scope engine.Scope who owns what is made
---@param name string this node's name
---@param seconds? number for one share() or configure(); 10
---@return peerage.Shared
function M.new(scope, name, seconds)
  return setmetatable({
    scope = scope, name = name, seconds = seconds or MAKE_TIMEOUT,
    made = {}, -- by connector: what its clusters get
    open = {}, -- a set: that, and what was replaced and is in use yet
  }, M)
end

-- A connector is its file, whatever version of that; one that stands in the config has none.
local function key_of(unit) return unit.path or unit.module end

-- Runs in the connector's task: to look at what share() made may run code of it, too.
local function ask(share, ...)
  local object, message = share(...)
  if object == nil and type(message) == "string" then return nil, message end
  if type(object) == "table" and type(object.close) == "function" then return object end
  error(("share() returned %s: expected a table with close(), or nil and a message"):format(describe.value(object)), 0)
end

-- What `fn` opens stays with `scope`; only the wait for it is bounded.
local function run(self, scope, fn, ...) return call.run(scope, self.seconds, scope.run, scope, fn, ...) end

local function make(self, part)
  local label = "connector " .. part.name
  local scope = self.scope:child(label, nil, part.account)
  if not scope then return nil, label .. ": the engine is ending" end
  local ok, object, message = run(self, scope, ask, rawget(part.unit.module, "share"), deep_copy(part.options), self.name, log.named(label))
  if not (ok and object) then
    scope:close()
    return nil, ("%s: %s"):format(label, ok and message or object.message)
  end
  local entry = {
    key = key_of(part.unit), object = object, options = part.options, scope = scope, log = log.named(label), account = part.account,
  }
  self.made[entry.key], self.open[entry] = entry, true
  return entry
end

local function close(self, entry)
  self.open[entry] = nil
  if self.made[entry.key] == entry then self.made[entry.key] = nil end
  local ok, failure = call.run(entry.scope, CLOSE_TIMEOUT, function() entry.object:close() end)
  if not ok and failure.reason ~= "closed" then entry.log.warn("close() failed: " .. failure.message) end
  entry.scope:close()
end

local function those_sharing(clusters)
  local sharing = {}
  for _, cluster in ipairs(clusters) do
    if rawget(cluster.connector.unit.module, "share") then sharing[#sharing + 1] = cluster end
  end
  return sharing
end

--- Gives the connectors of planned clusters what they share, as `part.shared`; makes what is not there, of the first one's
--- options. Waits.
---@param clusters peerage.PlannedCluster[]
---@return boolean|nil ok nil: what was made for them is closed again
---@return string? message
function M:provide(clusters)
  local fresh = {}
  for _, cluster in ipairs(those_sharing(clusters)) do
    local part = cluster.connector
    local entry = self.made[key_of(part.unit)]
    if not entry then
      local message
      entry, message = make(self, part)
      if not entry then
        for _, each in ipairs(fresh) do close(self, each) end
        return nil, message
      end
      fresh[#fresh + 1] = entry
    end
    part.shared = entry.object
  end
  return true
end

local function configure(object, options)
  return type(object.configure) == "function" and object:configure(options) == true
end

local function take_over(self, entry, options)
  local ok, is_done = run(self, entry.scope, configure, entry.object, deep_copy(options))
  if not ok then entry.log.error("configure() failed: " .. is_done.message, { traceback = is_done.traceback }) end
  if not (ok and is_done) then return false end
  entry.options = options
  return true
end

-- Whether it took other options over. Else it is made anew, unless that wants what the old one still holds.
local function follow(self, entry, cluster)
  local part = cluster.connector
  accounts.limit(entry.account, cluster.settings)
  if equal(entry.options, part.options) then return false end
  if take_over(self, entry, part.options) then return true end
  local renewed, message = make(self, part)
  if not renewed then entry.log.error("cannot be made anew, so its other options need a restart: " .. message) end
  return false
end

--- Has what planned clusters share follow the options that the first of them has now: it takes them over, or is made anew.
--- `part.is_taken_over` where its own options were so taken over. Waits.
---@param clusters peerage.PlannedCluster[] to whom it was provided
function M:settle(clusters)
  local is_asked, taken = {}, {}
  for _, cluster in ipairs(those_sharing(clusters)) do
    local part = cluster.connector
    local key = key_of(part.unit)
    if not is_asked[key] then
      is_asked[key], taken[key] = true, follow(self, self.made[key], cluster)
    end
    local entry = self.made[key]
    part.shared, part.is_taken_over = entry.object, taken[key] and equal(entry.options, part.options)
  end
end

--- Closes what none of these clusters has. Waits.
---@param clusters table<string, peerage.Cluster> those that run
function M:keep(clusters)
  local used, unused = {}, {}
  for _, cluster in next, clusters do
    local object = cluster.connector_part.shared
    if object then used[object] = true end
  end
  for entry in next, self.open do
    if not used[entry.object] then unused[#unused + 1] = entry end
  end
  for _, entry in ipairs(unused) do close(self, entry) end
end

return M
