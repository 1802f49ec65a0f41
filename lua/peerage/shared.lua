-- SPDX-License-Identifier: MIT
--- What all clusters of the process with one connector share, such as the Erlang node: made by the connector's share()
--- before the first of them starts, closed when the last has stopped.
--- Invariant: each has a scope of its own, and share() and close() run in tasks of their own.
local call = require("peerage.call")
local copy = require("peerage.copy")
local describe = require("peerage.describe")
local equal = require("peerage.equal")
local log = require("engine.log")

local M = {}
M.__index = M

local MAKE_TIMEOUT = 10 -- seconds for share()
local CLOSE_TIMEOUT = 1 -- seconds for close() of what it made

---@param scope engine.Scope who owns what is made
---@param name string this node's name
---@param seconds? number for one share(); 10
---@return peerage.Shared
function M.new(scope, name, seconds)
  return setmetatable({ scope = scope, name = name, seconds = seconds or MAKE_TIMEOUT, made = {} }, M)
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

-- What it opens stays with `scope`; only the wait for it is bounded.
local function make(self, part)
  local label = "connector " .. part.name
  local scope = self.scope:child(label)
  if not scope then return nil, label .. ": the engine is ending" end
  local ok, object, message = call.run(scope, self.seconds, scope.run, scope, ask,
    rawget(part.unit.module, "share"), copy(part.options), self.name, log.named(label))
  if ok and object then return { object = object, options = part.options, scope = scope, log = log.named(label) } end
  scope:close()
  return nil, ("%s: %s"):format(label, ok and message or object.message)
end

local function close(entry)
  local ok, failure = call.run(entry.scope, CLOSE_TIMEOUT, function() entry.object:close() end)
  if not ok and failure.reason ~= "closed" then entry.log.warn("close() failed: " .. failure.message) end
  entry.scope:close()
end

local function sharing_parts(clusters)
  local parts = {}
  for _, cluster in ipairs(clusters) do
    if rawget(cluster.connector.unit.module, "share") then parts[#parts + 1] = cluster.connector end
  end
  return parts
end

-- What was there already, by other options, is to take over those of the first who has it now.
local function compare_options(self, parts)
  local is_settled = {}
  for _, part in ipairs(parts) do
    local entry = self.made[key_of(part.unit)]
    if not is_settled[entry] then
      is_settled[entry], part.is_ahead = true, not equal(entry.options, part.options)
      entry.options = part.options
    end
  end
end

--- Gives the connectors of planned clusters what they share, as `part.shared`; makes what is not there. Waits. Of
--- several clusters the first one's options count; `part.is_ahead` where it is yet to be told of them.
---@param clusters peerage.PlannedCluster[]
---@return boolean|nil ok nil: what was made for them is closed again
---@return string? message
function M:provide(clusters)
  local fresh, parts = {}, sharing_parts(clusters)
  for _, part in ipairs(parts) do
    local key = key_of(part.unit)
    if not self.made[key] then
      local entry, message = make(self, part)
      if not entry then
        for _, each in ipairs(fresh) do self:close(each) end
        return nil, message
      end
      self.made[key], fresh[#fresh + 1] = entry, key
    end
    part.shared = self.made[key].object
  end
  compare_options(self, parts)
  return true
end

--- Closes one. Waits.
---@param key string|table
function M:close(key)
  local entry = self.made[key]
  self.made[key] = nil
  if entry then close(entry) end
end

--- Closes what none of these clusters has. Waits.
---@param clusters table<string, peerage.Cluster> those that run
function M:keep(clusters)
  local used, unused = {}, {}
  for _, cluster in next, clusters do
    local object = cluster.connector_part.shared
    if object then used[object] = true end
  end
  for key, entry in next, self.made do
    if not used[entry.object] then unused[#unused + 1] = key end
  end
  for _, key in ipairs(unused) do self:close(key) end
end

return M
