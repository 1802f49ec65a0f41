-- SPDX-License-Identifier: MIT
--- The BEAM node that a sidecar speaks for: keeps a link to it, and calls functions there.
--- Invariant: nothing but that one link is ours; those of the BEAM node stay as they are, whatever becomes of us.
local Allowance = require("peerage.erlang.allowance")
local Backoff = require("peerage.backoff")
local cookies = require("peerage.erlang.cookie")
local etf = require("peerage.erlang.etf")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}
M.__index = M

M.PREFIX = "peerage-" -- of the name of a sidecar's own node

-- Seconds between two attempts; after a link that lasted for `steady` the first delay comes again.
local DELAYS = { first = 1, max = 10, steady = 10 }
local AFTER_WRONG_COOKIE = 60 -- seconds; the BEAM node logs each such attempt
local CALL = 7 -- seconds for a call that has no limit of its own: as long as the BEAM node tries to connect

local BADRPC = etf.atom("badrpc")

---@class peerage.BeamSpec
---@field name string of the BEAM node
---@field options table of the connector: cookie, cookie_file, port, ticktime, max_frame
---@field log engine.log.logger
---@field scope engine.scope who owns it
---@field start_node fun(spec: peerage.ErlangNodeSpec): peerage.ErlangNode|nil, string?
---@field delays { first: number, max: number, steady: number }|nil seconds

-- A BEAM node that was started anew has forgotten the names that it was handed.
local function enter(self)
  local life = self.node:creation_of(self.name)
  if life ~= self.life then self.life, self.allowance = life, Allowance.new() end
  self.reason, self.said, self.linked_at = nil, {}, timer.now()
  self.log.info("speaks for the BEAM node " .. self.name)
end

local function wait_for(self, reason)
  self.reason = reason
  if self.said[reason] then return end
  self.said[reason] = true
  self.log.warn(self:waits_for())
end

-- Without a cookie there is no node yet: the BEAM node may be about to make its file.
local function ready_node(self)
  if self.node then return true end
  local message
  self.node, message = self.start_node({
    name = self.own_name, hidden = true, listen = false, epmd = "off", log = self.log, scope = self.scope,
    ticktime = self.options.ticktime, max_frame = self.options.max_frame,
    cookie = function()
      return cookies.read({ cookie = self.options.cookie, cookie_file = self.options.cookie_file, may_make = false })
    end,
  })
  if not self.node then return false, message end
  self.node:watch(function(name, is_up, reason)
    if name ~= self.name then return end
    if is_up then return enter(self) end
    self.reason = reason
    self.ends:push(reason)
  end)
  return true
end

local function attempt(self)
  local ok, reason = ready_node(self)
  if not ok then return false, reason end
  return self.node:connect(self.name, { port = self.options.port })
end

local function delay_after(reason, backoff)
  return reason:find("^wrong cookie") and Backoff.jitter(AFTER_WRONG_COOKIE) or backoff:next()
end

-- A BEAM node has one link to a name: two sidecars of one name take it from each other, again and again.
local function judge_end(self, reason, backoff)
  local is_short = timer.now() - self.linked_at < self.delays.steady
  self.short_links = is_short and self.short_links + 1 or 0
  if not is_short then backoff:reset() end
  return self.short_links > 1 and reason .. ": does another sidecar speak for this node, too?" or reason
end

local function keep(self)
  local backoff = Backoff.new(self.delays)
  while true do
    local ok, reason = attempt(self)
    if ok then reason = judge_end(self, self.ends:pop(), backoff) end
    wait_for(self, reason)
    task.timeout(delay_after(reason, backoff), self.wake.pop, self.wake)
  end
end

--- Starts it; the link comes by itself, and comes back. Does not wait.
---@param spec peerage.BeamSpec
---@return peerage.Beam
function M.start(spec)
  local self = setmetatable({
    name = spec.name, own_name = M.PREFIX .. spec.name, options = spec.options, log = spec.log,
    scope = spec.scope:child() or spec.scope, start_node = spec.start_node, delays = spec.delays or DELAYS,
    allowance = Allowance.new(),
    refused = 0, -- names that were over the allowance, each time
    reason = "not yet tried", -- why there is no link; nil: there is one
    short_links = 0, -- in a row
    said = {}, -- reasons that were logged since there was none
    ends = task.queue(), -- why links ended
    wake = task.queue(1), -- told to try again at once
  }, M)
  self.scope:spawn(keep, self)
  return self
end

---@return boolean
function M:is_linked() return self.reason == nil end

--- What a sidecar without a link says of itself.
---@return string
function M:waits_for() return ("waiting for the BEAM node %s: %s"):format(self.name, self.reason) end

--- Whether the BEAM node may be given a name, which it keeps from then on.
---@param name string
---@return boolean ok, string? reason
function M:admit(name)
  local ok, reason = self.allowance:take(name, timer.now())
  if not ok then self.refused = self.refused + 1 end
  return ok, reason
end

--- Calls a function there. Waits.
---@param module string
---@param fun string
---@param ... any terms
---@return any value a term, or nil
---@return string? message
function M:call(module, fun, ...)
  if self.reason then return nil, self:waits_for() end
  local value, message = self.node:call(self.name, module, fun, etf.list({ ... }), scopes.timeout(CALL))
  if value == nil then return nil, ("%s:%s of the BEAM node: %s"):format(module, fun, message) end
  if etf.kind(value) == "tuple" and value[1] == BADRPC then
    return nil, ("%s:%s of the BEAM node: %s"):format(module, fun, etf.describe(value[2]))
  end
  return value
end

--- Takes over changed options. A new cookie or port is for the next attempt, which comes at once if there is no link.
---@param options table
---@return true taken over
function M:configure(options)
  self.options = options
  if self.node then self.node:configure({ ticktime = options.ticktime, max_frame = options.max_frame }) end
  if self.reason then self.wake:push(true) end
  return true
end

---@return table<string, integer>
function M:counters()
  local counts = self.node and self.node:counters() or {}
  counts.names, counts["names refused"] = self.allowance.count, self.refused
  return counts
end

--- Ends our node, and our link with it.
function M:close()
  if self.node then self.node:close() end
  self.scope:close()
end

return M
