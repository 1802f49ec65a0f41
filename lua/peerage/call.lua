-- SPDX-License-Identifier: MIT
--- Calls a function that is not the engine's own (a provider's, a connector's, a hook): in a task of its own, for a
--- bounded time, in a scope that closes when it is over. Nothing it does ends the caller.
local describe = require("peerage.describe")
local timer = require("engine.timer")

local M = {}

---@alias peerage.FailureReason "raised"|"timeout"|"interrupted"|"out_of_memory"|"closed"|"breach"|"unknown"|"ended"
---@alias peerage.Failure { reason: peerage.FailureReason, message: string, traceback: string? }

--- Why there is no answer of who has ended.
M.CLOSED = { reason = "closed", message = "its scope was closed" }

-- What the core raises in whom its account does not suffice, and what the config says of that.
local LIMITS = {
  { text = "held the engine for", reason = "interrupted", advice = "see budget" },
  { text = "not enough memory", reason = "out_of_memory", advice = "see memory_limit" },
}

--- An error value as text, not endless; it may be anything, and its metamethods are not called.
---@return string
function M.message(value)
  if type(value) == "string" then return describe.message(value) end
  return ("raised %s instead of a message"):format(describe.value(value))
end

local function of_error(value, traceback)
  local message = M.message(value)
  for _, limit in ipairs(LIMITS) do
    if message:find(limit.text, 1, true) then
      return { reason = limit.reason, message = ("%s: %s"):format(message, limit.advice), traceback = traceback }
    end
  end
  return { reason = "raised", message = message, traceback = traceback }
end

local function outcome(call, ok, ...)
  if call.alarm then call.alarm:stop() end
  call.scope:close()
  if ok then return true, ... end
  if ok == false then return false, of_error(...) end
  if call.timed_out then
    return false, { reason = "timeout", message = ("timed out after %g s"):format(call.seconds) }
  end
  return false, M.CLOSED
end

--- Runs `fn(...)` in a child of `scope` and waits for it.
---@param scope engine.Scope who owns it; its end is the call's end
---@param seconds number|nil how long it may take; nil: without end
---@param fn function
---@return boolean ok true and the results, or false and a peerage.Failure
---@return any ...
function M.run(scope, seconds, fn, ...)
  local child = scope:child(nil, seconds)
  if not child then return false, M.CLOSED end
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
