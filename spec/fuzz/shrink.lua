-- SPDX-License-Identifier: MIT
--- Takes away from an input what a find does not need.
local timer = require("engine.timer")

local M = {}

local PATIENCE = 2 -- seconds

--- The shortest input that was come to in a few seconds.
---@param input string
---@param still_fails fun(input: string): boolean
---@return string input
function M.input(input, still_fails)
  local deadline = timer.now() + PATIENCE
  local size = math.floor(#input / 2)
  while size >= 1 do
    local at = 1
    while at <= #input and timer.now() < deadline do
      local shorter = input:sub(1, at - 1) .. input:sub(at + size)
      if still_fails(shorter) then
        input = shorter
      else
        at = at + size
      end
    end
    size = math.floor(size / 2)
  end
  return input
end

return M
