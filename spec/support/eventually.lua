-- SPDX-License-Identifier: MIT
--- Waits for what no event tells of.
local task = require("engine.task")
local timer = require("engine.timer")

local PATIENCE = require("support.patience")
local PAUSE = 0.005 -- seconds between two looks

--- Returns when `condition()` holds; raises if it does not in time.
---@param condition fun(): any
---@param seconds? number
return function(condition, seconds)
  local deadline = timer.now() + (seconds or PATIENCE)
  while not condition() do
    if timer.now() >= deadline then error("it did not come to that", 2) end
    task.sleep(PAUSE)
  end
end
