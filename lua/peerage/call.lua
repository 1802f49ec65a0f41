-- SPDX-License-Identifier: MIT
--- Calls a function that is not the engine's own (a provider's, a connector's, a hook): in a task of its own, for a
--- bounded time, in a scope that closes when it is over. Nothing it does ends the caller.
local describe = require("peerage.describe")
local timer = require("engine.timer")

local M = {}

---@alias peerage.Failure { reason: "raised"|"timeout"|"closed"|"breach"|"unknown", message: string, traceback: string? }

local CLOSED = { reason = "closed", message = "its scope was closed" }

--- An error value as text; it may be anything, and its metamethods are not called.
---@return string
function M.message(value)
  if type(value) == "string" then return value end
  return ("raised %s instead of a message"):format(describe.value(value))
end

local function outcome(call, ok, ...)
  if call.alarm then call.alarm:stop() end
  call.scope:close()
  if ok then return true, ... end
  if ok == false then
    local value, traceback = ...
    return false, { reason = "raised", message = M.message(value), traceback = traceback }
  end
  if call.timed_out then
    return false, { reason = "timeout", message = ("timed out after %g s"):format(call.seconds) }
  end
  return false, CLOSED
end

--- Runs `fn(...)` in a child of `scope` and waits for it.
---@param scope engine.Scope who owns it; its end is the call's end
---@param seconds number|nil how long it may take; nil: without end
---@param fn function
---@return boolean ok true and the results, or false and a peerage.Failure
---@return any ...
function M.run(scope, seconds, fn, ...)
  local child = scope:child(nil, seconds)
  if not child then return false, CLOSED end
  local call = { scope = child, seconds = seconds }
  local task = child:spawn(fn, ...)
  if seconds then
    call.alarm = timer.after(seconds, function()
      call.timed_out = true
      child:close()
    end)
  end
  return outcome(call, task:join())
end

return M
