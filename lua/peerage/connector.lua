-- SPDX-License-Identifier: MIT
--- The connector of one cluster: attempts, and who is live as it says.
--- Three kinds: modules with `nodes()`; a plain function, called for each found node at every poll, whose last answer
--- is live; and `none`, with which a node is live as long as it is found.
local Instance = require("peerage.instance")
local describe = require("peerage.describe")
local log = require("engine.log")

local M = {}
M.__index = M

---@param spec peerage.InstanceSpec
---@param on_live fun(name: string, live: boolean, reason: string?)
---@return peerage.Connector
function M.start(spec, on_live)
  local self = setmetatable({ on_live = on_live }, M)
  -- What a connector reports is queued: its own tasks never change the engine's state.
  self.reports = require("engine.task").queue()
  spec.methods = {
    up = function(_, name) self.reports:push({ name, true }) end,
    down = function(_, name, reason) self.reports:push({ name, false, reason }) end,
  }
  self.instance = Instance.start(spec)
  self.instance.outer:spawn(self.take_reports, self)
  self.follows_found = spec.unit.module.follows_found == true
  self.asks_each_poll = spec.unit.path == nil and not self.instance:has("nodes")
  return self
end

function M:take_reports()
  while true do
    local report = self.reports:pop()
    if type(report[1]) == "string" then self.on_live(report[1], report[2], report[3]) end
  end
end

--- Tries one node for at most `seconds`.
---@param record peerage.Record
---@param seconds number
---@return boolean ok, string? reason
function M:connect(record, seconds)
  local node = { name = record.name, port = record.port, meta = record.meta }
  local ok, answer, reason = self.instance:call("connect", seconds, node)
  if not ok then
    if answer.reason == "raised" then
      log.error("connect() failed: " .. answer.message, { node = record.name, traceback = answer.traceback })
    end
    return false, answer.message
  end
  if answer == true then return true end
  if answer == false then return false, type(reason) == "string" and reason or "refused" end
  return false, ("connect() returned %s: expected true or false, reason"):format(describe.value(answer))
end

---@param name string
---@param seconds number
function M:disconnect(name, seconds)
  if not self.instance:has("disconnect") then return end
  local ok, failure = self.instance:call("disconnect", seconds, { name = name })
  if not ok and failure.reason ~= "closed" then
    log.error("disconnect() failed: " .. failure.message, { node = name, traceback = failure.traceback })
  end
end

--- Asks who is live, as far as the connector can tell by itself.
---@param seconds number
---@return table<string, boolean>|nil live nil: ask again at the next poll
function M:live(seconds)
  if not self.instance:has("nodes") then return nil end
  local ok, names = self.instance:call("nodes", seconds)
  if not ok then
    if names.reason ~= "closed" then log.error("nodes() failed: " .. names.message, { traceback = names.traceback }) end
    return nil
  end
  if type(names) ~= "table" then return nil end
  local live = {}
  for _, name in next, names do
    if type(name) == "string" then live[name] = true end
  end
  return live
end

function M:stop() self.instance:stop() end

return M
