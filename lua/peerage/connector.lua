-- SPDX-License-Identifier: MIT
--- The connector of one cluster: attempts, and who is live as it says.
--- Three kinds: modules with `nodes()`; a plain function, called for each found node at every poll, whose last answer
--- is live; and `none`, with which a node is live as long as it is found.
local Complaints = require("peerage.complaints")
local Instance = require("peerage.instance")
local copy_meta = require("peerage.node").copy_meta
local describe = require("peerage.describe")
local log = require("engine.log")
local supervisor = require("peerage.supervisor")
local task = require("engine.task")

local M = {}
M.__index = M

local MOST_REPORTS = 10000 -- that wait; more are dropped
local AT_ONCE = 100 -- reports taken in before others have their turn

local function take_reports(self)
  while true do
    for _ = 1, AT_ONCE do
      local report = self.reports:pop()
      if type(report.name) == "string" then self.on_live(report.name, report.live, report.reason) end
    end
    task.sleep(0)
  end
end

local function report(self, name, live, reason)
  if self.reports:push({ name = name, live = live, reason = reason }) then return end
  self.dropped = self.dropped + 1
  self.complaints:say(("it reports too much at once: of more than %d reports that wait the newest are dropped%s"):format(
    MOST_REPORTS, self.instance:has("nodes") and ", and nodes() is asked at the next poll" or ""))
end

---@param spec peerage.InstanceSpec
---@param on_live fun(name: string, live: boolean, reason: string?)
---@return peerage.Connector
function M.start(spec, on_live)
  -- What a connector reports is queued: its own tasks never change the engine's state.
  local self = setmetatable({
    on_live = on_live, reports = task.queue(MOST_REPORTS), dropped = 0, log = log.named(spec.label),
  }, M)
  self.complaints = Complaints.new(self.log)
  spec.methods = {
    up = function(_, name) report(self, name, true) end,
    down = function(_, name, reason)
      report(self, name, false, type(reason) == "string" and describe.message(reason) or "closed")
    end,
  }
  self.instance = Instance.start(spec)
  supervisor.keep(self.instance.outer, "taking what it reports", take_reports, self)
  self.follows_found = rawget(spec.unit.module, "follows_found") == true
  self.ignores_ports = rawget(spec.unit.module, "ignores_ports") == true
  self.asks_each_poll = spec.unit.path == nil and not self.instance:has("nodes")
  return self
end

local function say_failure(self, what, failure)
  if failure.reason == "closed" then return end
  self.log.error(("%s() failed: %s"):format(what, failure.message), { traceback = failure.traceback })
end

-- What connect() answered, in the words of the report.
local function verdict(answer, reason, code)
  if answer == true then return true end
  if answer == nil and reason == nil or answer then
    return false, ("connect() returned %s: expected true, or false and a reason"):format(describe.value(answer))
  end
  return false, type(reason) == "string" and describe.message(reason) or "refused", code == "EAGAIN" and code or nil
end

--- Tries one node for at most `seconds`.
---@param record peerage.Record
---@param seconds number
---@return boolean ok, string? reason, string? code "EAGAIN": the connector could not try now
function M:connect(record, seconds)
  local node = { name = record.name, port = record.port, meta = copy_meta(record.meta) }
  local port = node.port
  local ok, answer, reason, code = self.instance:call("connect", seconds, node)
  if not ok and answer.reason == "closed" then return false, "the connector starts afresh", "EAGAIN" end
  if not ok then
    if answer.reason ~= "timeout" then say_failure(self, "connect", answer) end
    return false, answer.message
  end
  if answer == true and record.port ~= port and not self.ignores_ports then
    self:disconnect(record.name, seconds)
    return false, "its port changed"
  end
  return verdict(answer, reason, code)
end

--- Has the connection to a node closed, if the connector can.
---@param name string
---@param seconds number
function M:disconnect(name, seconds)
  if not self.instance:has("disconnect") then return end
  local ok, failure = self.instance:call("disconnect", seconds, { name = name })
  if not ok then say_failure(self, "disconnect", failure) end
end

--- Asks who is live, as far as the connector can tell by itself.
---@param seconds number
---@param most integer|nil names that are taken in
---@return table<string, boolean>|nil live nil: it did not say
---@return boolean? is_cut there were more
function M:live(seconds, most)
  if not self.instance:has("nodes") then return nil end
  local ok, names, message = self.instance:call("nodes", seconds)
  if not ok then return say_failure(self, "nodes", names) end
  if type(names) ~= "table" then
    local why = names == nil and type(message) == "string" and describe.message(message)
      or ("returned %s: expected a list of names"):format(describe.value(names))
    self.log.warn("nodes(): " .. why)
    return nil
  end
  local live, count = {}, 0
  for _, name in next, names do
    if count == most then
      self.complaints:say(("nodes(): more than %d entries, the others were not read: see memory_limit"):format(most))
      return live, true
    end
    count = count + 1
    if type(name) == "string" then live[name] = true end
  end
  return live, false
end

--- Ends it, politely.
function M:stop() self.instance:stop() end

return M
