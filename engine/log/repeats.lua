-- SPDX-License-Identifier: MIT
--- Repeats: the warnings and errors said lately, and how often they came again since. What was counted is said, at the
--- latest when its window is over or the process ends.
local crypto = require("engine.crypto")
local timer = require("engine.timer")
local core = require("engine.log.core")

local M = {}

local MOST = 64 -- messages remembered
local MOST_TEXT = 255 -- bytes of a message that are said again with its count

local window = 60 -- seconds
local said, by_age = {}, {} -- entries, by their digest and by their age

local function forget_oldest(say)
  local entry = by_age[1]
  said[entry.key] = nil
  table.remove(by_age, 1)
  if entry.count == 0 then return end
  local times = entry.count == 1 and "time" or "times"
  say(entry.level, entry.source, ("%s (repeated %d %s)"):format(entry.text, entry.count, times))
end

--- Says and forgets what is older than the window, and has itself called again for what is counted.
---@param say fun(level: engine.log.level, source: string, text: string)
function M.sweep(say)
  local now = timer.now()
  while by_age[1] and by_age[1].since + window <= now do forget_oldest(say) end
  for _, entry in ipairs(by_age) do
    if entry.count > 0 then return core.wake_in(entry.since + window - now) end
  end
end

--- Whether this was said less than a window ago; then it is counted. Else it is remembered, as long as 64 others have
--- not come since.
---@param level engine.log.level
---@param source string
---@param text string
---@param fields string? laid out
---@param say fun(level: engine.log.level, source: string, text: string)
---@return boolean
function M.has(level, source, text, fields, say)
  M.sweep(say)
  local key = crypto.sha256(table.concat({ level, source, text, fields or "" }, "\0"))
  local entry = said[key]
  if not entry then
    if #by_age == MOST then forget_oldest(say) end
    entry = { key = key, level = level, source = source, since = timer.now(), count = 0 }
    entry.text = text:match("^[^\n]*"):sub(1, MOST_TEXT)
    by_age[#by_age + 1] = entry
    said[key] = entry
    return false
  end
  entry.count = entry.count + 1
  if entry.count == 1 then M.sweep(say) end
  return true
end

--- Sets the window; 0: nothing is held back.
---@param seconds number?
---@return number seconds
function M.window(seconds)
  window = seconds or window
  return window
end

return M
