-- SPDX-License-Identifier: MIT
--- One cluster: its poll loop. Poll, take the answer into the registry, connect beside the loop, report, wait.
--- Invariant: only engine tasks change the registry; provider and connector run in tasks of their own.
local Connector = require("peerage.connector")
local Dialer = require("peerage.dialer")
local Hooks = require("peerage.hooks")
local Instance = require("peerage.instance")
local Registry = require("peerage.registry")
local accounts = require("peerage.accounts")
local answers = require("peerage.answer")
local copy = require("peerage.copy")
local listing = require("peerage.listing")
local recovery = require("peerage.recovery")
local rollout = require("peerage.rollout")
local status = require("peerage.status")
local supervisor = require("peerage.supervisor")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}
M.__index = M

local POLL_SOON_PERIOD = 0.1 -- seconds; polls that are asked for come at most ten times a second
local REST = 4 -- times what a poll takes of the CPU: so long the next one that is asked for waits, for lists may be very long
local MOMENT = 0.1 -- seconds; nodes that go down within it are reported together
local LOSSES_PERIOD = 1 -- seconds between two such reports, at least

--- Who a part of this cluster is in the log: "provider dns", "web: provider dns".
function M:label(word, part) return accounts.label(self.name, word, part.name) end

--- Starts a version of the provider; the one before must have been closed.
---@param part peerage.Part
---@param state table|nil its own from now on
---@param failures peerage.Failing|nil of the instance that it takes the place of; nil: it starts afresh
function M:start_provider(part, state, failures)
  self.provider_part = part
  self.provider = Instance.start({
    unit = part.unit, options = part.options, label = self:label("provider", part), name = self.self_name,
    scope = self.scope, state = state, serves = self.settings.serves, account = part.account, failures = failures,
    methods = { poll_soon = function() if not self.provider.failures.is_failing then self:poll_soon() end end },
    on_failure = function(failure) return recovery.take_serve_failure(self, failure) end,
  })
end

local function start_connector(self, part, state, failures)
  local connector
  local function on_failure(failure) return recovery.take_connector_failure(self, connector, failure) end
  self.connector_part = part
  connector = Connector.start({
    unit = part.unit, options = part.options, label = self:label("connector", part), name = self.self_name,
    scope = self.scope, state = state, shared = part.shared, account = part.account, failures = failures,
    on_failure = on_failure, on_call_failure = on_failure,
  }, function(name, live, reason) self:set_live(name, live, reason) end)
  self.connector = connector
  self.dialer = Dialer.new(self.scope, self.registry, self.settings, self.connector.asks_each_poll,
    function(record) return self.connector:connect(record, self.settings.connect_timeout) end,
    function(record, ok, reason, is_news) self:take_attempt(record, ok, reason, is_news) end)
end

---@class peerage.ClusterSurroundings
---@field name string this node's
---@field scope engine.Scope
---@field on_poll fun(cluster: peerage.Cluster)
---@field on_report fun()|nil
---@field siblings fun(cluster: peerage.Cluster): peerage.Cluster[] others that share its connections

---@param planned peerage.PlannedCluster
---@param engine peerage.ClusterSurroundings
---@return peerage.Cluster
function M.start(planned, engine)
  local self = setmetatable({
    name = planned.name,
    settings = copy(planned.settings), -- of its own, since a new config's are put in place
    self_name = engine.name,
    on_poll = engine.on_poll,
    on_report = engine.on_report or function() end,
    siblings = engine.siblings,
    scope = engine.scope:child(planned.name ~= "default" and "cluster " .. planned.name or nil),
    registry = Registry.new(),
    wake = task.queue(1),
    losses = task.queue(1), -- told when a node goes down
    is_changed = true, -- since the last report
    refused = {}, -- files of a provider that failed at once
    unstarted = {}, -- files of a version that did not come to run
    last_cost = 0, -- CPU seconds that the last poll took of the provider and of us
  }, M)
  self.hooks = Hooks.start(self.scope, self.settings, function() return self.registry:nodes() end,
    accounts.label(planned.name, "hook"))
  start_connector(self, planned.connector)
  self:start_provider(planned.provider)
  supervisor.keep(self.scope, "the poll loop", self.run, self)
  supervisor.keep(self.scope, "the report of losses", self.report_losses, self)
  return self
end

function M:run()
  task.sleep(self.settings.sync_offset / 1000)
  while true do
    local started = timer.now()
    if self.wake:count() > 0 then self.wake:pop() end -- who asked before now is served by this poll
    recovery.revive(self)
    self:poll()
    self.on_poll(self)
    local ended, period = timer.now(), self.provider.failures:period(self.settings.interval)
    local rest = math.max(started + POLL_SOON_PERIOD - ended, math.min(REST * self.last_cost, period))
    if task.timeout(period, self.wake.pop, self.wake) then task.sleep(math.max(0, ended + rest - timer.now())) end
  end
end

--- Asks for a poll now; many such wishes are one.
function M:poll_soon() self.wake:push(true) end

--- How many nodes it may know.
function M:most_nodes() return listing.room(self.settings.memory_limit, 0).entries end

--- A node became live or stopped being so.
---@param name string
---@param live boolean
---@param reason string|nil
function M:set_live(name, live, reason)
  local record = self.registry:get(name) -- one that is not found goes from the registry when it goes down
  local most = not record and self:most_nodes() or nil -- only one that comes needs room
  local changed, message = self.registry:set_live(name, live, timer.now(), reason, most)
  if message then self.connector.complaints:say("the connector names a node that cannot be: " .. message) end
  if not changed then return end
  self.is_changed = true
  if not live then
    self.dialer:lost(name)
    self.losses:push(true)
  end
  if name ~= self.self_name then self.hooks:tell(live and "on_up" or "on_down", record or { name = name }, reason) end
  self.hooks:changed()
end

--- Takes in what an attempt came to.
function M:take_attempt(record, ok, reason, is_news)
  if ok or self.connector.asks_each_poll then self:set_live(record.name, ok, reason) end
  if is_news then self.is_changed = true end
end

local function take_list(self, answer)
  local changes = self.registry:update(answer.list, {
    source = self.provider_part.name, now = timer.now(), complete = answer.kind == "complete",
    memory_limit = self.settings.memory_limit,
  })
  answers.say_problems(self.provider.log, changes)
  if changes.any then
    self.is_changed = true
    self.hooks:changed()
  end
  return changes
end

local function outcome_text(self, answer, failure)
  if failure then return failure.message end
  local found = self.registry:count()
  return ("%s, %d found%s"):format(answer.kind, found, answer.message and ": " .. answer.message or "")
end

-- What the report says of a list that is not whole or not new.
local function take_doubt(self, answer, failure)
  local before, kind = self.doubt or {}, "partial"
  if failure then kind = self.registry.polled_at > 0 and "stale" or "unknown" end
  local message = (failure or answer).message
  self.doubt = message and { kind = kind, message = message }
  if message ~= before.message or message and kind ~= before.kind then self.is_changed = true end
end

--- Polls once and sees to what follows from it.
function M:poll()
  local provider, started, used = self.provider, timer.now(), self.provider.account:stats().cpu
  self.connector.complaints:settle()
  local answer, failure = answers.of_call(provider:call("poll", self.settings.timeout))
  self.last_cost = provider.account:stats().cpu - used
  if provider ~= self.provider or provider:is_closed() then return self:poll_soon() end -- a new version comes
  if rollout.judge(self, failure) then return end
  used = os.clock()
  local changes = answer and take_list(self, answer)
  self.last_cost = self.last_cost + os.clock() - used
  answers.say(self.provider.log, answer, failure, provider.failures.is_failing)
  recovery.judge(self, failure)
  take_doubt(self, answer, failure)
  self.last_poll = {
    at = timer.now(), took = timer.now() - started, outcome = outcome_text(self, answer, failure),
    problems = changes and changes.problems, problem_count = changes and changes.problem_count,
  }
  self:connect(changes)
  if answer and answer.kind == "complete" then self:prune() end
  self:report_soon()
end

local function follow(self, changes)
  for _, name in ipairs(changes and changes.added or {}) do self:set_live(name, true) end
  for _, name in ipairs(changes and changes.removed or {}) do self:set_live(name, false, "no longer found") end
end

-- Takes in who is live as the connector says; what was heard of a node since it was asked is newer.
local function sync_live(self)
  local asked = timer.now()
  local live, is_cut = self.connector:live(self.settings.timeout, self:most_nodes())
  if not live then return end
  local gone = {}
  for record in self.registry:each() do
    local is_missed = not is_cut and record.live and record.live_at < asked and not live[record.name]
    if is_missed and record.name ~= self.self_name then gone[#gone + 1] = record.name end
  end
  for _, name in ipairs(gone) do self:set_live(name, false, "closed") end
  for name in next, live do
    local record = self.registry:get(name)
    if not (record and record.down_at and record.down_at >= asked) then self:set_live(name, true) end
  end
end

local function disconnect(self, name, reason)
  self.scope:spawn(self.connector.disconnect, self.connector, name, self.settings.connect_timeout)
  self:set_live(name, false, reason)
end

-- A node that we dialed and whose port is another now is connected anew.
local function redial(self, name)
  if self.connector.ignores_ports then return end
  local record = self.registry:get(name)
  if record and record.live and record.dialed_port and record.dialed_port ~= record.port then
    disconnect(self, name, "its port changed")
  end
  self.dialer:offer(name)
end

local function offer(self, changes)
  for _, name in ipairs(changes.changed) do redial(self, name) end
  for _, name in ipairs(changes.added) do
    if name == self.self_name then
      self:set_live(name, true)
    else
      self.dialer:offer(name)
    end
  end
  for _, name in ipairs(changes.removed) do -- of which nobody will ask a function again
    if name == self.self_name or self.connector.asks_each_poll then self:set_live(name, false, "no longer found") end
  end
end

--- Starts the attempts that are due. They go on beside the loop.
---@param changes peerage.Changes|nil nil: the poll gave no list
function M:connect(changes)
  if self.connector.follows_found then return follow(self, changes) end
  sync_live(self)
  if changes then offer(self, changes) end
  self.dialer:retry()
  self.dialer:pump()
end

local function is_found_by_another(self, name)
  for _, other in ipairs(self:siblings()) do
    local record = other.registry:get(name)
    if record and record.found then return true end
  end
  return false
end

--- Disconnects who was missing from the last good polls, but not the last one there is, nor whom another cluster needs.
function M:prune()
  if not self.settings.prune then return end
  local _, live = self.registry:count()
  for _, name in ipairs(self.registry:missing(self.settings.prune_after)) do
    if live <= 1 and self.settings.prune ~= "always" then break end
    if self.registry:get(name).attempts and not is_found_by_another(self, name) then
      live = live - 1
      disconnect(self, name, "pruned")
    end
  end
end

local function report(self)
  status.report(self)
  self.on_report()
  self.is_changed = false
end

--- Reports when this poll's attempts are over, or after `timeout`.
function M:report_soon()
  if self.is_reporting then return end
  self.is_reporting = true
  self.scope:spawn(function()
    local idle = task.queue(1)
    self.dialer:notify_idle(idle)
    task.timeout(self.settings.timeout, idle.pop, idle)
    self.is_reporting = false
    report(self)
  end)
end

--- Reports who goes down between polls: those of one moment together, and once a second at most.
function M:report_losses()
  while true do
    self.losses:pop()
    task.sleep(MOMENT)
    if self.losses:count() > 0 then self.losses:pop() end
    if self.is_changed and not self.is_reporting then report(self) end
    task.sleep(LOSSES_PERIOD - MOMENT)
  end
end

--- Who pays for its parts.
---@return engine.account[]
function M:accounts() return { self.provider.account, self.connector.instance.account, self.hooks.account } end

--- Takes over changed settings, in place: the hooks and the dialer read them there.
---@param settings table
function M:configure(settings)
  for key in next, self.settings do self.settings[key] = nil end
  for key, value in next, settings do self.settings[key] = value end
  self.unstarted = {}
  for _, account in ipairs(self:accounts()) do accounts.limit(account, settings) end
  self:poll_soon()
end

--- Hands the connector that runs other options, which what it shares has taken over.
---@param options table
function M:set_connector_options(options)
  self.connector_part.options = options
  self.connector.instance:set_options(options)
end

-- Makes a live node its own, too, if it finds it.
local function claim(self, name)
  local record = self.registry:get(name)
  if record and record.found then self.dialer:claim(record) end
end

--- Tries nobody any more. What it connected and another finds becomes that one's, too, before its connector lets go of it.
function M:hand_over()
  self.dialer:stop()
  if not self.connector.instance:has("stop") then return end
  for _, other in ipairs(self:siblings()) do
    for _, record in ipairs(self.registry:sorted()) do
      if record.live and record.attempts then claim(other, record.name) end
    end
  end
end

--- All who are live are so no more.
---@param reason string
function M:lose_all(reason)
  for _, record in ipairs(self.registry:sorted()) do
    if record.live and record.name ~= self.self_name then self:set_live(record.name, false, reason) end
  end
end

--- Puts another connector in the place of the one that runs, whose connections end with it; a plain function has none.
---@param part peerage.Part
---@param failures peerage.Failing|nil of the one that runs, if it is the same; nil: it starts afresh
---@param most integer|nil bytes that it may hold with its state
function M:replace_connector(part, failures, most)
  local had_function = self.connector.asks_each_poll
  self:hand_over()
  self.connector:stop()
  start_connector(self, part,
    Instance.adopt(self.scope, part.account, self:label("connector", part), self.connector.instance:state(), most), failures)
  if not (had_function and self.connector.asks_each_poll) then self:lose_all("the connector changed") end
  self:connect({ added = status.found(self), removed = {}, changed = {} })
end

--- Ends it: provider and connector say goodbye, then everything is closed.
function M:stop()
  task.all({ function() self.provider:stop() end, function() self.connector:stop() end })
  self.scope:close()
end

return M
