-- SPDX-License-Identifier: MIT
--- Tasks: the Lua half, for what goes on after a suspension (a C function cannot).
local core = require("engine.task.core")
local queue = require("engine.queue")
local scopes = require("engine.scope.core")
local timer = require("engine.timer")

local M = { spawn = core.spawn, stats = core.stats, sleep = timer.sleep, queue = queue }

local Task = core.methods

coroutine.running = core.running

--- Waits for the task's end without raising.
---@return boolean|nil ok true and the results; false, the error and a traceback; or nil, "closed", "ECANCELED"
function Task:join()
  core.await(self)
  return core.outcome(self)
end

local function raise_or_return(ok, ...)
  if ok == false then error((...), 0) end
  if ok == nil then return nil, ... end
  return ...
end

--- Waits for the task's end. An error that ended the task is raised again here.
---@return any ... the results, or nil, "closed", "ECANCELED"
function Task:wait() return raise_or_return(Task.join(self)) end

local function check_function(fn, position)
  if type(fn) ~= "function" then
    error(("expected a function as number %d, found a %s"):format(position, type(fn)), 3)
  end
end

local function settle(scope, ok, ...)
  if ok then scope:hand_up() end
  core.guard(nil)
  if ok then return ... end
  return error((...), 0)
end

local function ring(scope, seconds)
  timer.sleep(seconds)
  scope:close()
end

-- Two digits: what is left of a time limit differs a little each time, and a message that repeats should read the same.
local function print_seconds(seconds) return (seconds < 100 and "%.2g" or "%.0f"):format(seconds) end

local function settle_or_time_out(scope, alarm, seconds, ok, ...)
  alarm:cancel()
  if ok ~= nil then return settle(scope, ok, ...) end
  core.guard(nil)
  return nil, ("timed out after %s s"):format(print_seconds(seconds)), "ETIMEDOUT"
end

--- Runs `fn(...)` for at most `seconds`. What it opens is the caller's if it succeeds, and closed if it does not.
---@param seconds number
---@param fn function
---@return any ... its results, or nil, message, "ETIMEDOUT"
function M.timeout(seconds, fn, ...)
  check_function(fn, 2)
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= 1e9) then
    error("expected seconds from 0 to 1e9, found " .. tostring(seconds), 2)
  end
  core.may_wait()
  local scope, message, code = scopes.new(nil, seconds)
  if not scope then return nil, message, code end
  core.guard(scope)
  local alarm = scope:spawn(ring, scope, seconds)
  local task = scope:spawn(fn, ...)
  return settle_or_time_out(scope, alarm, seconds, task:join())
end

--- Runs functions side by side and waits for all. The first error ends the others and is raised again.
---@param functions function[]
---@return any[]|nil results the first result of each; or nil, "closed", "ECANCELED"
function M.all(functions)
  for i = 1, #functions do check_function(functions[i], i) end
  core.may_wait()
  local scope, message, code = scopes.new()
  if not scope then return nil, message, code end
  local done, results = queue(), {}
  core.guard(scope)
  for i = 1, #functions do
    scope:spawn(function() done:push({ i, scope:spawn(functions[i]):join() }) end)
  end
  for _ = 1, #functions do
    local ended = done:pop()
    if not ended[2] then return settle(scope, false, ended[3]) end
    results[ended[1]] = ended[3]
  end
  return settle(scope, true, results)
end

return M
