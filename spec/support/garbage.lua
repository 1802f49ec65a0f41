-- SPDX-License-Identifier: MIT
-- Measures what a function allocates, instead of how long it takes: that does not depend on the machine.
local M = {}

local RUNS = 3

local function grown_by(fn)
  collectgarbage("collect")
  collectgarbage("stop")
  local before = collectgarbage("count")
  local ok, message = pcall(fn)
  local grown = collectgarbage("count") - before
  collectgarbage("restart")
  if not ok then error(message, 0) end
  return grown
end

--- Runs `fn` a few times with the collector stopped; the least counts, since the VM's own tables grow now and then.
---@param fn function
---@return number kilobytes by which memory grew; up to a few are the JIT's own where it is on
function M.of(fn)
  local least = math.huge
  for _ = 1, RUNS do least = math.min(least, grown_by(fn)) end
  return least
end

return M
