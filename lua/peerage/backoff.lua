-- SPDX-License-Identifier: MIT
--- Delays between tries: doubling, bounded, with jitter so that many who failed together do not return together.
local M = {}
M.__index = M

local JITTER = 0.2 -- a delay is up to this share shorter, never longer: a bound stays a bound

---@param options { first: number, max: number } seconds
---@return peerage.Backoff
function M.new(options) return setmetatable({ first = options.first, max = options.max, delay = nil }, M) end

--- The delay before the next try; each call doubles the one after it.
---@return number seconds
function M:next()
  self.delay = math.min(self.delay and self.delay * 2 or self.first, self.max)
  return M.jitter(self.delay)
end

--- Begins anew after a success.
function M:reset() self.delay = nil end

---@param seconds number
---@return number seconds
function M.jitter(seconds) return seconds * (1 - JITTER * math.random()) end

return M
