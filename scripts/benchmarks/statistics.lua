-- SPDX-License-Identifier: MIT
--- What is said of a list of measurements. Pure.
local M = {}

--- The middle one, or the mean of the two in the middle.
---@param values number[] at least one, in any order
---@return number
function M.median(values)
  local sorted = {}
  for i, value in ipairs(values) do sorted[i] = value end
  table.sort(sorted)
  local middle = (#sorted + 1) / 2
  return (sorted[math.floor(middle)] + sorted[math.ceil(middle)]) / 2
end

--- The power with which `cost` grows with `size`: the slope of the line that fits best where both are logarithms
--- (least squares). 0 is constant, 1 linear.
---@param points { size: number, cost: number }[] at least two sizes; all numbers greater than 0
---@return number exponent
function M.exponent(points)
  local count, x, y = #points, 0, 0
  for _, point in ipairs(points) do x, y = x + math.log(point.size) / count, y + math.log(point.cost) / count end
  local together, alone = 0, 0
  for _, point in ipairs(points) do
    local off = math.log(point.size) - x
    together, alone = together + off * (math.log(point.cost) - y), alone + off * off
  end
  return together / alone
end

return M
