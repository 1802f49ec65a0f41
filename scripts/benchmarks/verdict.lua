-- SPDX-License-Identifier: MIT
--- Judges figures by their budgets. Pure. What cannot be has met no budget: a cost below zero, which the slope between two
--- runs may come to by chance, and a ratio to or of such a cost.
local M = {}

---@class bench.Budget
---@field ratio number|nil how often the bare loop's the engine's may be
---@field most number|nil in the figure's unit; one of both
---@field may_fall boolean|nil below zero it can be: how something grows

--- Of the engine's cost to the bare loop's.
---@param median number
---@param bare number|nil
---@return number|nil ratio nil where there is none
function M.ratio(median, bare)
  if bare and bare > 0 and median > 0 then return median / bare end
end

---@param row { median: number, ratio: number|nil }
---@param budget bench.Budget
---@return boolean
function M.is_met(row, budget)
  if budget.ratio then return row.ratio ~= nil and row.ratio <= budget.ratio end
  return row.median <= budget.most and (row.median >= 0 or budget.may_fall == true)
end

--- Those of which it can be said how they grow.
---@param points { size: number, cost: number }[]
---@return { size: number, cost: number }[]
function M.possible(points)
  local possible = {}
  for _, point in ipairs(points) do
    if point.cost > 0 then possible[#possible + 1] = point end
  end
  return possible
end

return M
