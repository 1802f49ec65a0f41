-- SPDX-License-Identifier: MIT
--- Timers: a task that sleeps until its time, and then runs a function as a task that stop() leaves alone.
local core = require("engine.timer.core")
local spawn = require("engine.task.core").spawn

local now, sleep = core.now, core.sleep

local M = { now = now, sleep = sleep, wall_clock = core.wall_clock }

local TICK = 0.001 -- seconds: a sleep may be so much longer than asked

-- `task` is the one that sleeps, until it is over.
local Timer = {}
local class = { __index = Timer, __name = "timer", __metatable = "timer" } -- closed: all timers share it

--- Ends it; what it has started already runs on. May be called again.
function Timer:stop()
  if getmetatable(self) ~= "timer" then
    error(("expected a timer as self, found a %s: call the method with a colon"):format(type(self)), 2)
  end
  local task = self.task
  self.task = nil
  if task then task:cancel() end
end

function class:__tostring()
  local is_over = not self.task or self.task:is_finished()
  return ("timer: %p%s"):format(self, is_over and " (closed)" or "")
end

-- From here on it is the function's own task.
local function ring(timer, due, fn)
  sleep(math.max(0, due - now()))
  timer.task = nil
  return fn()
end

-- What is missed is left out, and so is a time at which there is no memory for a task, which its account counts.
local function tick(_, due, fn, period)
  while true do
    sleep(math.max(0, due - now() - TICK))
    due = due + period * (1 + math.floor(math.max(0, now() - due) / period))
    pcall(spawn, fn)
  end
end

local function start(run, seconds, fn)
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= 1e9) then
    error("expected seconds from 0 to 1e9, found " .. tostring(seconds), 3)
  end
  if type(fn) ~= "function" then error("expected a function, found a " .. type(fn), 3) end
  local timer = setmetatable({}, class)
  local task, message, code = spawn(run, timer, now() + seconds, fn, math.max(seconds, TICK))
  if not task then return nil, message, code end
  timer.task = task
  return timer
end

--- Runs `fn()` once. As in the stub.
function M.after(seconds, fn) return start(ring, seconds, fn) end

--- Runs `fn()` again and again. As in the stub.
function M.every(seconds, fn)
  if seconds == 0 then error("expected more than 0 seconds", 2) end
  return start(tick, seconds, fn)
end

return M
