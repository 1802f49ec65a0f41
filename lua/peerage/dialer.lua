-- SPDX-License-Identifier: MIT
--- Connects beside the poll loop: who is tried when, at most 64 at a time, and who must wait after a failure.
--- Nodes that were never tried come first, the newest before the others, so that dead names hide no live one.
--- Invariant: a name waits at one place at most, and what it holds is bounded by the nodes that are found.
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
---@param asks_again boolean every node that was offered is tried at each poll, live ones as well
---@param attempt fun(record: peerage.Record): boolean, string?, string? tries one node; waits; with "EAGAIN" it could not
---  try now, and the node is due again at the next poll
---@param on_result fun(record: peerage.Record, ok: boolean, reason: string?, is_news: boolean)
---@return peerage.Dialer
function M.new(scope, registry, settings, asks_again, attempt, on_result)
  return setmetatable({
    scope = scope:child(), registry = registry, settings = settings, asks_again = asks_again,
    attempt = attempt, on_result = on_result,
    fresh = {}, -- a stack of names never tried
    later = {}, -- a set of names to look at again at the next poll
    due = {}, -- names to try again, from `first` to `last`; who was live lately is put before the others
    first = 1,
    last = 0,
    pending = {}, -- names in fresh or due, or under way
    active = 0,
    idle_queue = nil, -- to push to when nothing is pending
  }, M)
end

local function delay_after(failures, interval)
  if failures <= PATIENT_FAILURES then return interval end
  return math.min(interval * 2 ^ (failures - PATIENT_FAILURES), math.max(LONGEST_DELAY, interval))
end

local function is_wanted(self, record)
  return record ~= nil and record.found and (self.asks_again or not record.live)
end

-- A delay counts from the beginning of an attempt: then who fails is due at the poll one interval later.
local function settle(self, record, started, ok, reason, code)
  local before = record.last_error
  record.attempts, record.tried_at = (record.attempts or 0) + 1, started
  if ok then
    record.failures, record.last_error, record.next_try = nil, nil, nil
  elseif code == "EAGAIN" then -- no failure of the node's: nobody gets patient with it
    record.last_error, record.next_try = reason, started
  else
    record.failures, record.last_error = (record.failures or 0) + 1, reason
    record.next_try = started + Backoff.jitter(delay_after(record.failures, self.settings.interval))
  end
  if not ok or self.asks_again then self.later[record.name] = true end
  self.on_result(record, ok, reason, record.attempts == 1 or record.last_error ~= before)
end

local function try(self, record)
  local started, port = timer.now(), record.port
  local ok, reason, code = self.attempt(record)
  -- The node may have gone and come back meanwhile, which makes another record of it.
  record = self.registry:get(record.name) or record
  record.dialed_by, record.dialed_port = self, port
  self.active, self.pending[record.name] = self.active - 1, nil
  settle(self, record, started, ok, reason, code)
  if not ok and record.found and record.port ~= port then self:offer(record.name) end
  self:pump()
end

--- Tries one that is live at once, which makes it this cluster's, too. Waits.
---@param record peerage.Record
function M:claim(record)
  if self.pending[record.name] then return end
  self.active, self.pending[record.name] = self.active + 1, true
  try(self, record)
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

--- Starts as many attempts as may run.
function M:pump()
  while self.active < AT_ONCE do
    local name = take(self)
    if not name then break end
    local record = self.registry:get(name)
    if is_wanted(self, record) then
      self.active = self.active + 1
      self.scope:spawn(try, self, record)
    else
      self.pending[name] = nil
    end
  end
  if self.idle_queue and next(self.pending) == nil then
    self.idle_queue:push(true)
    self.idle_queue = nil
  end
end

--- A node that is new, or whose port changed: to be tried at once. One that was tried at this port keeps its turn.
---@param name string
function M:offer(name)
  local record = self.registry:get(name)
  if self.pending[name] or not record then return end
  if record.dialed_by == self and record.port == record.dialed_port then return end
  self.later[name], self.pending[name] = nil, true
  self.fresh[#self.fresh + 1] = name
end

--- A node went down: it is due at the next poll.
---@param name string
function M:lost(name)
  local record = self.registry:get(name)
  if not record or not record.found then return end
  self.later[name], record.next_try = true, timer.now()
end

-- Those that failed wait for their turn; one that was live lately most probably answers, and comes before them.
local function queue(self, record)
  self.later[record.name], self.pending[record.name] = nil, true
  if not record.failures then
    self.first = self.first - 1
    self.due[self.first] = record.name
  else
    self.last = self.last + 1
    self.due[self.last] = record.name
  end
end

local function keep_wanted(self, names, first, last)
  local kept, count = {}, 0
  for i = first, last do
    if is_wanted(self, self.registry:get(names[i])) then
      count = count + 1
      kept[count] = names[i]
    else
      self.pending[names[i]] = nil
    end
  end
  return kept, count
end

-- Names that come and go faster than they are tried would pile up.
local function forget_unwanted(self)
  local waiting = #self.fresh + self.last - self.first + 1
  if waiting <= 2 * self.registry:count() + AT_ONCE then return end
  self.fresh = keep_wanted(self, self.fresh, 1, #self.fresh)
  self.due, self.last = keep_wanted(self, self.due, self.first, self.last)
  self.first = 1
end

--- Queues those whose delay is over.
function M:retry()
  local now = timer.now()
  for name in next, self.later do
    local record = self.registry:get(name)
    if not is_wanted(self, record) then
      self.later[name] = nil
    elseif not self.pending[name] and (self.asks_again or (record.next_try or now) <= now) then
      queue(self, record)
    end
  end
  forget_unwanted(self)
end

--- Ends it and its attempts.
function M:stop() self.scope:close() end

--- Has `waiter` pushed to when no attempt is pending. The last one given counts.
---@param waiter engine.Queue
function M:notify_idle(waiter)
  self.idle_queue = waiter
  if next(self.pending) == nil then
    self.idle_queue = nil
    waiter:push(true)
  end
end

return M
