-- SPDX-License-Identifier: MIT
--- Calls a cluster's on_up, on_down and on_change: one at a time, in order, on_change after the others.
--- Invariant: they run in `inner`, on an account of their own; the loop that calls them does not.
local Failing = require("peerage.failing")
local accounts = require("peerage.accounts")
local call = require("peerage.call")
local copy_meta = require("peerage.node").copy_meta
local log = require("engine.log")
local supervisor = require("peerage.supervisor")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}
M.__index = M

local MOST_EVENTS = 10000 -- that wait; more are dropped, the oldest first
local CHANGE_PERIOD = 0.1 -- seconds; on_change comes at most ten times a second
local REST = 4 -- times what it took of the CPU, the list of nodes included: so long the next one waits

---@param scope engine.Scope who owns it
---@param settings table the cluster's: hooks, timeout and limits; may be swapped at any time
---@param nodes fun(): table[] what on_change is told
---@param label string|nil who they are in the log, "hook" without one
---@return peerage.Hooks
function M.start(scope, settings, nodes, label)
  label = label or "hook"
  local outer, account = scope:child(label), accounts.new(label, settings)
  local self = setmetatable({
    scope = outer,
    inner = outer:child(nil, nil, account),
    account = account,
    log = log.named(label),
    failures = Failing.new(),
    settings = settings,
    nodes = nodes,
    events = {}, -- from `first` to `last`
    first = 1,
    last = 0,
    dropped = 0,
    has_changed = false,
    is_dropping = false, -- since somebody last waited in vain
    ready_at = -math.huge, -- when on_change may be called again
    wake = task.queue(1),
  }, M)
  supervisor.keep(self.scope, "calling hooks", self.run, self)
  return self
end

local function call_hook(self, name, ...)
  local hook = self.settings[name]
  local ok, failure = call.run(self.inner, self.settings.timeout, hook, ...)
  if ok then return end
  self.failures:count(failure)
  if failure.reason ~= "closed" then
    log.error(("%s() failed: %s"):format(name, failure.message), { traceback = failure.traceback })
  end
end

-- The record's meta is shared until here: it is never changed, and a queue of copies would be large.
local function call_with_event(self, event)
  if not self.settings[event.hook] then return end
  call_hook(self, event.hook, { name = event.name, port = event.port, meta = copy_meta(event.meta) }, event.reason)
end

local function next_event(self)
  local event = self.events[self.first]
  if not event then
    self.is_dropping = false
    return nil
  end
  self.events[self.first] = nil
  self.first = self.first + 1
  return event
end

local function drop_oldest(self)
  self.events[self.first] = nil
  self.first, self.dropped = self.first + 1, self.dropped + 1
  if self.is_dropping then return end
  self.is_dropping = true
  self.log.warn(("on_up() and on_down() are too slow: of more than %d events that wait the oldest are dropped"):format(MOST_EVENTS))
end

local function call_on_change(self)
  local started, used, charged = timer.now(), os.clock(), self.account:stats().cpu
  self.has_changed = false
  if self.settings.on_change then
    local nodes = self.nodes()
    used = os.clock() - used
    call_hook(self, "on_change", nodes)
    used = used + self.account:stats().cpu - charged
    self.ready_at = math.max(started + CHANGE_PERIOD, timer.now() + REST * used)
  end
end

function M:run()
  while true do
    for event in next_event, self do call_with_event(self, event) end
    local left = self.ready_at - timer.now()
    if not self.has_changed then
      self.wake:pop()
    elseif left > 0 then
      task.timeout(left, self.wake.pop, self.wake)
    else
      call_on_change(self)
    end
  end
end

--- A node became live, or stopped being live for `reason`.
---@param hook "on_up"|"on_down"
---@param node peerage.Node whose meta is not changed from now on
---@param reason string|nil
function M:tell(hook, node, reason)
  if not self.settings[hook] then return end
  if self.last - self.first + 1 >= MOST_EVENTS then drop_oldest(self) end
  self.last = self.last + 1
  self.events[self.last] = {
    hook = hook, name = node.name, port = node.port, meta = node.meta, reason = reason,
  }
  self.wake:push(true)
end

--- Something changed: on_change will be told once.
function M:changed()
  self.has_changed = true
  self.wake:push(true)
end

return M
