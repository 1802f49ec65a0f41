-- SPDX-License-Identifier: MIT
--- A provider or connector that runs: a unit with its options, its own scope and its supervised serve().
--- Invariant: its functions run in tasks of their own inside `inner`, which nothing of the engine's lives in.
local call = require("peerage.call")
local log = require("engine.log")
local supervisor = require("peerage.supervisor")

local M = {}
M.__index = M

local STOP_TIMEOUT = 1 -- seconds for M.stop() at a clean end

--- Plain data of a table: what cannot outlive a version (functions, userdata, coroutines) is left out.
local function copy_plain(value, done, dropped)
  if type(value) ~= "table" then
    if type(value) == "function" or type(value) == "userdata" or type(value) == "thread" then
      dropped[#dropped + 1] = type(value)
      return nil
    end
    return value
  end
  if done[value] then return done[value] end
  local result = {}
  done[value] = result
  for key, item in next, value do
    local new_key = copy_plain(key, done, dropped)
    if new_key ~= nil then result[new_key] = copy_plain(item, done, dropped) end
  end
  return result
end

local LOG = { debug = log.debug, info = log.info, warn = log.warn, error = log.error }

-- What the unit's functions get as `self`: fields of their own, then what the engine offers, then the module.
local function make_self(spec, inner, state)
  local offered = setmetatable({}, { __index = spec.unit.module })
  for name, method in next, spec.methods or {} do offered[name] = method end
  return setmetatable({
    options = spec.options,
    name = spec.name,
    state = state,
    log = LOG,
    scope = inner,
    passive = spec.passive or nil,
  }, { __index = offered })
end

---@class peerage.InstanceSpec
---@field unit peerage.Unit
---@field options table
---@field label string who this is in the log: "provider dns"
---@field name string this node's name
---@field scope engine.Scope who owns it
---@field state table|nil of an earlier version; copied
---@field methods table<string, function>|nil what `self` offers
---@field serves boolean|nil false: serve() is not run
---@field passive boolean|nil announce nothing
---@field on_failure fun(failure: peerage.Failure)|nil told when serve() ended

--- Starts one.
---@param spec peerage.InstanceSpec
---@return peerage.Instance
function M.start(spec)
  local outer = spec.scope:child(spec.label)
  local inner = outer:child()
  local dropped = {}
  local state = copy_plain(spec.state or {}, {}, dropped)
  local self = setmetatable({ spec = spec, unit = spec.unit, outer = outer, inner = inner, restarts = 0 }, M)
  self.self = make_self(spec, inner, state)
  if #dropped > 0 then
    outer:spawn(log.warn, ("state holds a %s, which does not survive a reload: keep plain data there"):format(dropped[1]))
  end
  local serve = rawget(spec.unit.module, "serve")
  if serve and spec.serves ~= false then outer:spawn(self.supervise, self, serve) end
  return self
end

function M:supervise(serve)
  supervisor.run(self.inner, serve, function(failure)
    self.restarts = self.restarts + 1
    if self.spec.on_failure then self.spec.on_failure(failure) end
  end, self.self)
end

function M:has(member) return type(self.unit.module[member]) == "function" end

--- Calls a function of its module with its self, as peerage.call does.
---@param member string
---@param seconds number
---@return boolean ok and results, or false and a peerage.Failure
function M:call(member, seconds, ...) return call.run(self.inner, seconds, self.unit.module[member], self.self, ...) end

--- A copy of its state, for the version after it.
function M:state() return copy_plain(self.self.state, {}, {}) end

--- Ends it: its stop() gets a second to say goodbye, then all it owns is closed.
function M:stop()
  if self:has("stop") and not self.inner:is_closed() then
    local ok, failure = self:call("stop", STOP_TIMEOUT)
    if not ok and failure.reason ~= "closed" then log.warn("stop() failed: " .. failure.message) end
  end
  self:close()
end

--- Closes all it owns, at once.
function M:close()
  self.inner:close()
  self.outer:close()
end

return M
