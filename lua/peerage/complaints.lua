-- SPDX-License-Identifier: MIT
--- What is wrong with what a connector says at any time: the first ten different ones between two polls are logged.
--- Invariant: however many there are, the log gets eleven lines a poll at most.
local M = {}
M.__index = M

local MOST = 10

---@param log engine.log.logger whose they are
---@return peerage.Complaints
function M.new(log) return setmetatable({ log = log, said = {}, count = 0, more = 0 }, M) end

--- Logs it, unless that was done since the last poll, or ten others were.
---@param message string
function M:say(message)
  if self.said[message] or self.count == MOST then
    self.more = self.more + 1
    return
  end
  self.said[message], self.count = true, self.count + 1
  self.log.warn(message)
end

--- A poll comes: says how many there were that were not logged.
function M:settle()
  if self.more > 0 then self.log.warn(("%d more such complaints since the last poll"):format(self.more)) end
  self.said, self.count, self.more = {}, 0, 0
end

return M
