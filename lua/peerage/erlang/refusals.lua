-- SPDX-License-Identifier: MIT
--- What strangers did wrong: counted by reason, and said at most once a minute for each reason, whoever it was.
--- Invariant: what it keeps and what it logs does not grow with what strangers send.
local timer = require("engine.timer")

local M = {}
M.__index = M

local WINDOW = 60 -- seconds

---@param log engine.log.logger
---@return peerage.Refusals
function M.new(log) return setmetatable({ log = log, counts = {}, said_at = {} }, M) end

--- Counts one that is not worth a word.
---@param reason string
function M:count(reason) self.counts[reason] = (self.counts[reason] or 0) + 1 end

--- Counts one, and says it unless that was done less than a minute ago.
---@param reason string one of few: it is a key
---@param message string
---@param fields table|nil
function M:add(reason, message, fields)
  self:count(reason)
  local said_at, now = self.said_at[reason], timer.now()
  if said_at and now - said_at < WINDOW then return end
  self.said_at[reason] = now
  self.log.warn(message, fields)
end

return M
