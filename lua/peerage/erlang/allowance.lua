-- SPDX-License-Identifier: MIT
--- How many names a BEAM node may be handed: each is an atom there for as long as it lives, and the table of atoms is
--- finite (1,048,576 without +t); when it is full the node dies. Pure: the time is always given.
--- Invariant: a name that was handed once costs nothing more.
local M = {}
M.__index = M

local MINUTE = 60 -- seconds
local PER_MINUTE, PER_LIFE = 100, 50000

--- For one life of the BEAM node.
---@param limits { per_minute: integer?, per_life: integer? }|nil 100 and 50,000
---@return peerage.Allowance
function M.new(limits)
  return setmetatable({
    per_minute = limits and limits.per_minute or PER_MINUTE, per_life = limits and limits.per_life or PER_LIFE,
    handed = {}, -- a set of names
    count = 0, -- of those
    times = {}, -- when the last `per_minute` of them were handed; the oldest is overwritten
  }, M)
end

---@param name string
---@return boolean
function M:has(name) return self.handed[name] == true end

--- Takes one name out of the allowance, if it is not taken yet and there is one left.
---@param name string
---@param now number seconds
---@return boolean ok
---@return string? reason
function M:take(name, now)
  if self.handed[name] then return true end
  if self.count >= self.per_life then
    return false, ("the BEAM node was given %d names since it started, each an atom that it keeps: no more until it restarts")
      :format(self.per_life)
  end
  local slot = self.count % self.per_minute
  if self.times[slot] and now - self.times[slot] < MINUTE then
    return false, ("the BEAM node was given %d new names within a minute: this one has to wait"):format(self.per_minute)
  end
  self.handed[name], self.times[slot], self.count = true, now, self.count + 1
  return true
end

return M
