-- SPDX-License-Identifier: MIT
---@meta engine.task

--- Tasks: coroutines run by the engine. What a task calls in `engine.*` may wait, and other tasks run meanwhile; it
--- reads as if it blocked. Nothing may wait inside `require`, `table.sort`, `string.gsub` or a coroutine of your own:
--- that raises. A task that yields by itself fails, and `coroutine.running()` is nil in one.
---
--- A task belongs to the scope of the task that made it. When that closes it is dropped where it waits, without an
--- error; one that runs goes on to its next wait. An error that ends a task is logged with its traceback, unless
--- another task waits for it.
---@class engine.task.module
local task = {}

---@class engine.task
local Task = {}

--- Starts `fn(...)`; it runs after the caller has waited or ended.
---@param fn function
---@param ... any
---@return engine.task? task, string? message, string? code "closed", "ECANCELED" if the caller's scope is closed
function task.spawn(fn, ...) end

--- Waits.
---@param seconds number 0 to 1e9; 0: until the others had their turn
function task.sleep(seconds) end

--- Runs `fn(...)` in a task of its own, in a child scope, for at most `seconds`. What it opened and spawned is the
--- caller's if it succeeds, and closed if it raises (again here), takes too long, or the caller is cancelled. Operations
--- in it take at most nine tenths of the time left, so that their own message comes first.
---@param seconds number 0 to 1e9
---@param fn function
---@param ... any
---@return any ... its results; or nil, message, "ETIMEDOUT"
function task.timeout(seconds, fn, ...) end

--- Runs functions side by side, in a child scope as `timeout` does, and waits for all. The first error ends the others
--- and is raised again.
---@param functions (fun(): any)[]
---@return any[]? results the first result of each, at its place, string? message, string? code
function task.all(functions) end

--- A queue between tasks; see engine.queue.
---@param limit? integer most values in it, at least 1; nil: no limit
---@return engine.queue queue
function task.queue(limit) end

--- How many tasks live, and how many have ended by an error that nobody waited for.
---@return integer alive, integer raised
function task.stats() end

--- Ends it where it waits, without an error; one that has ended stays as it is. One that cancels itself goes on to its
--- next wait.
function Task:cancel() end

--- Whether it has ended in any way.
---@return boolean
function Task:is_finished() end

--- Waits for its end. An error that ended it is raised again here, as the same value.
---@return any ... its results; or nil, "closed", "ECANCELED" if it was cancelled or its scope closed
function Task:wait() end

--- Waits for its end without raising. Any number of tasks may, and after it has ended, too.
---@return boolean|nil ok true and its results; false, the error and a traceback; or nil, "closed", "ECANCELED"
---@return any ...
function Task:join() end

return task
