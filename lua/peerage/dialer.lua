-- SPDX-License-Identifier: MIT
--- Connects beside the poll loop: who is tried when, at most 64 at a time, and who must wait after a failure.
--- Nodes that were never tried come first, the newest before the others, so that dead names hide no live one.
local Backoff = require("peerage.backoff")
local timer = require("engine.timer")

local M = {}
M.__index = M

local AT_ONCE = 64
local PATIENT_FAILURES = 3 -- so many come at the plain interval, then the delay doubles
local LONGEST_DELAY = 60 -- seconds, or `interval` if that is longer

---@param scope engine.Scope who owns the attempts
---@param registry peerage.Registry
---@param settings table the cluster's: `interval`
---@param asks_again boolean live nodes are tried as well
---@param attempt fun(record: peerage.Record): boolean, string? tries one node; waits
---@param on_result fun(record: peerage.Record, ok: boolean, reason: string?, is_news: boolean)
function M.new(scope, registry, settings, asks_again, attempt, on_result)
  return setmetatable({
    scope = scope, registry = registry, settings = settings, asks_again = asks_again,
    attempt = attempt, on_result = on_result,
    fresh = {}, -- a stack of names never tried
    failed = {}, -- names that wait for their next try
    due = {}, -- names to try again, from `first` to `last`
    first = 1,
    last = 0,
    pending = {}, -- names in fresh, due or under way
    active = 0,
    waiting = {}, -- functions to call when nothing is pending
  }, M)
end

local function delay_after(failures, interval)
  if failures <= PATIENT_FAILURES then return Backoff.jitter(interval) - interval * 0.2 end
  local longest = math.max(LONGEST_DELAY, interval)
  return Backoff.jitter(math.min(interval * 2 ^ (failures - PATIENT_FAILURES), longest))
end

local function settle(self, record, ok, reason)
  local now, before = timer.now(), record.last_error
  record.attempts, record.tried_at = record.attempts + 1, now
  if ok then
    record.failures, record.last_error, record.next_try = 0, nil, nil
  else
    record.failures, record.last_error = record.failures + 1, reason
    record.next_try = now + delay_after(record.failures, self.settings.interval)
    if record.found then self.failed[record.name] = true end
  end
  self.on_result(record, ok, reason, record.attempts == 1 or record.last_error ~= before)
end

local function take(self)
  local name = table.remove(self.fresh)
  if name then return name end
  name = self.due[self.first]
  if not name then return nil end
  self.due[self.first] = nil
  self.first = self.first + 1
  return name
end

local function is_idle(self) return next(self.pending) == nil end

local function try(self, record)
  record.dialed_port = record.port
  local ok, reason = self.attempt(record)
  self.active = self.active - 1
  self.pending[record.name] = nil
  settle(self, record, ok, reason)
  self:pump()
end

--- Starts as many attempts as may run.
function M:pump()
  while self.active < AT_ONCE do
    local name = take(self)
    if not name then break end
    local record = self.registry:get(name)
    if record and record.found and (self.asks_again or not record.live) then
      self.active = self.active + 1
      self.scope:spawn(try, self, record)
    else
      self.pending[name] = nil
    end
  end
  if is_idle(self) then
    local waiting = self.waiting
    self.waiting = {}
    for _, wake in ipairs(waiting) do wake:push(true) end
  end
end

--- A node that is new, or whose port changed: to be tried at once.
function M:offer(name)
  if self.pending[name] then return end
  self.failed[name], self.pending[name] = nil, true
  self.fresh[#self.fresh + 1] = name
end

--- A node went down: it is due at the next poll.
function M:lost(name)
  local record = self.registry:get(name)
  if not record or not record.found then return end
  self.failed[name], record.next_try = true, timer.now()
end

--- Queues those whose delay is over.
function M:retry()
  local now = timer.now()
  for name in next, self.failed do
    local record = self.registry:get(name)
    if not record or not record.found or record.live then
      self.failed[name] = nil
    elseif record.next_try <= now and not self.pending[name] then
      self.failed[name], self.pending[name] = nil, true
      self.last = self.last + 1
      self.due[self.last] = name
    end
  end
end

--- Has `queue` pushed to when no attempt is pending.
---@param queue engine.Queue
function M:notify_idle(queue)
  if is_idle(self) then
    queue:push(true)
  else
    self.waiting[#self.waiting + 1] = queue
  end
end

return M
