-- SPDX-License-Identifier: MIT
-- Measures what a function allocates, instead of how long it takes: that does not depend on the machine.
local M = {}

--- Runs `fn` with the collector stopped.
---@param fn function
---@return number kilobytes by which memory grew; up to a few are the JIT's own where it is on
function M.of(fn)
  collectgarbage("collect")
  collectgarbage("stop")
  local before = collectgarbage("count")
  local ok, message = pcall(fn)
  local grown = collectgarbage("count") - before
  collectgarbage("restart")
  if not ok then error(message, 0) end
  return grown
end

return M
