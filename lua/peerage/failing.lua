-- SPDX-License-Identifier: MIT
--- How often a part of a cluster failed, and whether it does so time after time.
--- Invariant: `nil, message` is no failure, and no success that would end a row of them.
local Backoff = require("peerage.backoff")
local supervisor = require("peerage.supervisor")

local M = {}
M.__index = M

M.MOST = 10 -- failures in a row, after which a provider is marked failing
M.PERIOD = 60 -- seconds between polls of one that is, or `interval` if that is longer

-- What each reason counts as; a breach of the contract is the code's fault as an error is.
local COUNTED = {
  raised = "raised", breach = "raised", timeout = "timed_out", interrupted = "interrupted", out_of_memory = "out_of_memory",
}

---@class peerage.Failing
---@field counts { raised: integer, timed_out: integer, interrupted: integer, out_of_memory: integer, restarts: integer }
---@field in_a_row integer failed polls since the last that gave a list
---@field is_failing boolean

---@return peerage.Failing
function M.new()
  local counts = { raised = 0, timed_out = 0, interrupted = 0, out_of_memory = 0, restarts = 0 }
  return setmetatable({ counts = counts, in_a_row = 0, is_failing = false, backoff = Backoff.new(supervisor.DELAYS) }, M)
end

--- Counts one, of whatever call.
---@param failure peerage.Failure
function M:count(failure)
  local name = COUNTED[failure.reason]
  if name then self.counts[name] = self.counts[name] + 1 end
end

--- Counts that it was started again.
function M:restarted() self.counts.restarts = self.counts.restarts + 1 end

--- How long to wait before it is started again.
---@param ran number seconds that it ran for
---@return number seconds
function M:delay(ran)
  if ran > supervisor.STEADY then self.backoff:reset() end
  return self.backoff:next()
end

--- Takes in what a poll came to.
---@param failure peerage.Failure|nil nil: it gave a list
---@return "failing"|"restored"|nil news it is so from now on
function M:judge(failure)
  if not failure then
    local was_failing = self.is_failing
    self.in_a_row, self.is_failing = 0, false
    return was_failing and "restored" or nil
  end
  if failure.reason == "unknown" then return nil end
  self.in_a_row = self.in_a_row + 1
  if self.is_failing or self.in_a_row < M.MOST then return nil end
  self.is_failing = true
  return "failing"
end

--- How long to wait after a poll.
---@param interval number seconds, the cluster's
---@return number seconds
function M:period(interval) return self.is_failing and math.max(M.PERIOD, interval) or interval end

return M
