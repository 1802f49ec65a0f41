-- SPDX-License-Identifier: MIT
--- Losses: messages that could not be written, since who reads stderr was too slow, or gone, or its disk full. They are
--- counted, and that is said before the next that can be written, or when it is tried anew.
local core = require("engine.log.core")
local timer = require("engine.timer")

local M = {}

local FIRST_PAUSE, LONGEST_PAUSE = 1, 60 -- seconds until it is tried anew; twice as long each time

local count, since = 0, 0
local pause, due = FIRST_PAUSE, math.huge

local function try_later(seconds)
  pause, due = seconds, timer.now() + seconds
  core.wake_in(seconds)
end

--- Whether something was lost and that was not said yet.
---@return boolean
function M.are_there() return count > 0 end

--- Says what was lost, if anything was, and sees to it that this is tried again where it fails.
---@param write fun(level: engine.log.level, source: string, text: string): boolean
---@return boolean ok nothing is left to be said
function M.say(write)
  if count == 0 then return true end
  local text = ("%d %s lost in %.3g s: stderr was not read, or could not be written"):format(count,
    count == 1 and "message was" or "messages were", timer.now() - since)
  if not write("warn", "log", text) then return false end
  count, pause, due = 0, FIRST_PAUSE, math.huge
  return true
end

--- Counts a message.
function M.add()
  if count == 0 then
    since = timer.now()
    try_later(FIRST_PAUSE)
  end
  count = count + 1
end

--- Tries again, if it is time. Called at each wake.
---@param write fun(level: engine.log.level, source: string, text: string): boolean
function M.retry(write)
  if timer.now() < due then
    if count > 0 then core.wake_in(due - timer.now()) end
  elseif not M.say(write) then
    try_later(math.min(2 * pause, LONGEST_PAUSE))
  end
end

return M
