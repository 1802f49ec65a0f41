-- SPDX-License-Identifier: MIT
---@meta engine.timer

--- Timers on the monotonic clock, to the millisecond; `after` and `sleep` are never early. A timer is a task of the scope
--- of the task that made it and goes on when Lua has forgotten it.
---@class engine.timer.module
local timers = {}

---@class engine.timer
local timer = {}

--- Seconds since some moment in the past; never goes back.
---@return number seconds
function timers.now() end

--- The wall clock, for what is sent to others; it may be set back.
---@return integer microseconds since 1970
function timers.wall_clock() end

--- Runs `fn()` once, as a task of the same scope.
---@param seconds number 0 to 1e9
---@param fn function
---@return engine.timer? timer, string? message, string? code "closed", "ECANCELED" if the caller's scope is closed
function timers.after(seconds, fn) end

--- Runs `fn()` again and again, each time as a task of its own, also when the one before has not ended. It keeps its
--- rhythm: what comes late does not put off the next, and a time that is missed is left out.
---@param seconds number more than 0, to 1e9
---@param fn function
---@return engine.timer? timer, string? message, string? code "closed", "ECANCELED" if the caller's scope is closed
function timers.every(seconds, fn) end

--- Waits: engine.task.sleep.
---@param seconds number 0 to 1e9
function timers.sleep(seconds) end

--- Ends it; what it has started already runs on. May be called again.
function timer:stop() end

return timers
