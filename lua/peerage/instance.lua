-- SPDX-License-Identifier: MIT
--- A provider or connector that runs: a unit with its options, its own scope and its supervised serve().
--- Invariant: its functions run in tasks of their own inside `inner`, on its account; nothing of the engine's lives there.
local Failing = require("peerage.failing")
local accounts = require("peerage.accounts")
local answers = require("peerage.answer")
local call = require("peerage.call")
local copy = require("peerage.copy")
local deep_copy = require("peerage.deep_copy")
local describe = require("peerage.describe")
local log = require("engine.log")
local states = require("peerage.state")
local supervisor = require("peerage.supervisor")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}
M.__index = M

local STOP_TIMEOUT = 1 -- seconds for M.stop() at a clean end
local COPY_TIMEOUT = 5 -- seconds for taking over a state

---@class peerage.InstanceSpec
---@field unit peerage.Unit
---@field options table
---@field label string who this is in the log: "provider dns"
---@field name string this node's name
---@field scope engine.Scope who owns it
---@field state table|nil of an earlier version, from now on its own; see M.adopt
---@field account engine.account|nil who pays for it; nil: a new one without limits
---@field failures peerage.Failing|nil of the instance that it takes the place of; nil: it starts afresh
---@field methods table<string, function>|nil what `self` offers
---@field on_update fun()|nil told that update() was called, which `self` then offers
---@field serves boolean|nil false: serve() is not run
---@field passive boolean|nil announce nothing
---@field shared table|nil what a connector's share() made
---@field on_call_failure (fun(failure: peerage.Failure))|nil told when another call of its functions failed
---@field on_failure (fun(failure: peerage.Failure): boolean?)|nil told when serve() ended; true: it is not to start again

-- What the unit's functions get as `self`: fields of their own, then what the engine offers, then the module.
local function make_self(spec)
  local offered = setmetatable({}, { __index = spec.unit.module })
  for name, method in next, spec.methods or {} do offered[name] = method end
  return setmetatable({
    options = deep_copy(spec.options), -- the plan's stay as they are, for comparison and for the next start
    name = spec.name,
    state = spec.state or {},
    log = log.named(spec.label),
    passive = spec.passive or nil,
    shared = spec.shared,
  }, { __index = offered })
end

local function supervise(self, serve)
  supervisor.run(self.inner, serve, {
    is_known = function(failure) return failure.message == self.doubt end, -- the poll that takes that in says it
    on_end = function(failure)
      self.news:push(true)
      self.failures:count(failure)
      if self.spec.on_failure and self.spec.on_failure(failure) then return true end
      self.failures:restarted()
    end,
  }, self.self)
  self.news:push(true)
end

-- Takes what poll() would return, for the next poll to take in. The newest counts. The list is a copy: whose it is may go
-- on to use it.
local function new_update(self)
  return function(_, list, message)
    local answer, breach = answers.read(list, message, "self:update()", ": given")
    if not answer then error(breach, 2) end
    self.given = { list and copy(list), message }
    self.doubt = not list and answer.message or nil
    if list then self.news:push(true) end
    self.spec.on_update()
  end
end

-- Where there is no owner any more everything is refused: its calls answer that the scope was closed.
local function open(self)
  self.inner = self.outer:child(nil, nil, self.account) or self.outer
  rawset(self.self, "scope", self.inner)
  if self:has("serve") and self.spec.serves ~= false then
    self.outer:spawn(supervise, self, rawget(self.unit.module, "serve"))
  end
end

--- Starts one.
---@param spec peerage.InstanceSpec
---@return peerage.Instance
function M.start(spec)
  local self = setmetatable({
    spec = spec, unit = spec.unit, log = log.named(spec.label), self = make_self(spec),
    account = spec.account or accounts.new(spec.label, {}), failures = spec.failures or Failing.new(), started_at = timer.now(),
    outer = spec.scope:child(spec.label) or spec.scope, news = task.queue(1),
  }, M)
  if spec.on_update then rawset(self.self, "update", new_update(self)) end
  open(self)
  return self
end

--- Whether its module has this function.
---@param member string
---@return boolean
function M:has(member) return type(rawget(self.unit.module, member)) == "function" end

local function count(self, ok, ...)
  if not ok then
    self.failures:count((...))
    if self.spec.on_call_failure then self.spec.on_call_failure((...)) end
  end
  return ok, ...
end

--- Calls a function of its module with its self, as peerage.call does. A scope that the module closed itself is
--- replaced first.
---@param member string
---@param seconds number
---@return boolean ok and results, or false and a peerage.Failure
function M:call(member, seconds, ...)
  if self.outer:is_closed() then return false, call.CLOSED end
  if self.inner:is_closed() then
    self.log.error("it closed its own scope: it gets a new one")
    open(self)
  end
  if not self:has(member) then return false, { reason = "breach", message = member .. "() is no function any more" } end
  return count(self, call.run(self.inner, seconds, rawget(self.unit.module, member), self.self, ...))
end

--- What update() was given since the last time, or else what poll() returns, as peerage.call does.
---@param seconds number
---@param is_to_run boolean|nil call poll() in any case
---@return boolean ok and results, or false and a peerage.Failure
function M:ask(seconds, is_to_run)
  local given = self.given
  if not given or is_to_run then return self:call("poll", seconds) end
  self.given = nil
  return true, given[1], given[2]
end

--- Waits until update() was given a list, or serve() has ended or has nothing to serve.
---@param seconds number at most
function M:await_news(seconds) task.timeout(seconds, self.news.pop, self.news) end

--- A copy of its state, for the version after it. What is no plain data is left out, with a warning.
---@return table
function M:state()
  local state, dropped = states.copy(rawget(self.self, "state"))
  if type(state) ~= "table" then
    self.log.warn(("self.state: expected a table, found %s: the next version begins with an empty one"):format(
      describe.value(state)))
    return {}
  end
  if dropped then
    self.log.warn(("self.state: %s does not survive a reload: keep plain data there"):format(dropped))
  end
  return state
end

local function bytes_of(account)
  collectgarbage()
  return account:stats().bytes
end

-- A copy, or nil and what it comes to. Strings are not copied, but they live as long as it does.
local function copy_within(most, of, state)
  local before = bytes_of(of)
  local copied = states.copy(state)
  local bytes = bytes_of(of) - before + states.string_bytes(copied)
  if bytes <= most then return copied end
  return nil, bytes
end

--- A copy of an earlier version's state, which whose it is to be pays for; an empty one, and a message, if that is too much.
--- Waits.
---@param scope engine.Scope
---@param of engine.account
---@param label string who that is in the log
---@param state table plain data
---@param most integer|nil bytes that it may come to
---@return table
function M.adopt(scope, of, label, state, most)
  if next(state) == nil then return {} end
  local apart = scope:child(label, nil, of)
  local ok, copied, bytes = call.run(apart or scope, COPY_TIMEOUT, copy_within, most or math.huge, of, state)
  if apart then apart:close() end
  if not ok and copied.reason == "closed" then return {} end
  if ok and copied then return copied end
  log.named(label).error("self.state is dropped: " .. (ok
    and ("it takes %.1f MB, expected at most %.1f MB"):format(bytes / 2 ^ 20, most / 2 ^ 20) or copied.message))
  return {}
end

--- Hands it other options, which count from now on.
---@param options table
function M:set_options(options) rawset(self.self, "options", deep_copy(options)) end

--- Whether it has ended.
---@return boolean
function M:is_closed() return self.outer:is_closed() end

--- Ends it: its stop() gets a second to say goodbye, then all it owns is closed.
function M:stop()
  if self:has("stop") and not self.inner:is_closed() then
    local ok, failure = self:call("stop", STOP_TIMEOUT)
    if not ok and failure.reason ~= "closed" then self.log.warn("stop() failed: " .. failure.message) end
  end
  self:close()
end

--- Closes it and lets go of all that it holds but its state, so that its memory comes back. What stands in the config
--- itself keeps its module.
function M:release()
  self:close()
  if self.unit.path then self.unit.module = {} end
  self.self, self.given = { state = self:state() }, nil
end

--- Lets go of its state as well, whoever has a reference to that.
function M:forget()
  local state = self.self.state
  for key in next, state do state[key] = nil end
end

--- Closes all it owns, at once.
function M:close()
  self.inner:close()
  self.outer:close()
end

return M
