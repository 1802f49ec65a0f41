-- SPDX-License-Identifier: MIT
--- A program that stays up and says something new on a line. Invariant: what it prints faster than it can be taken in
--- holds it up, and of its lines the newest is taken, at most ten times a second, for a fifth of the CPU at most.
local Stderr = require("peerage.exec.stderr")
local process = require("engine.process")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

local PAUSE = 0.1 -- seconds between two lines that are taken, at least
local REST = 4 -- times what it takes of the CPU to take one: so long the pause is, for lists may be very long
local QUIET, LONGEST_BURST = 0.005, 0.05 -- seconds: one without a line ends a burst, of which the newest line is taken
local DRAIN = 1 -- seconds for output to end after the program has, and for a program to end after its output

-- The newest line of a burst that begins with this one.
local function skip_to_newest(line, next_line)
  local started = timer.now()
  repeat
    local newer = task.timeout(QUIET, next_line)
    line = newer or line
  until not newer or timer.now() - started > LONGEST_BURST
  return line
end

local function take_lines(child, take)
  local next_line = child:newest()
  for line in next_line do
    local started = os.clock()
    take(skip_to_newest(line, next_line))
    task.sleep(math.max(PAUSE, REST * (os.clock() - started)))
  end
end

-- What has left its group may hold its output for ever.
local function drain(child, name, ending, log)
  ending:join()
  task.sleep(DRAIN)
  log.warn(name .. " left a process that holds its output")
  child:close()
end

-- Ends a program that lives on without its output: it can say nothing any more. True where it had to.
local function end_late(child, ending)
  if task.timeout(DRAIN, ending.join, ending) ~= nil then return false end
  child:kill("KILL")
  return true
end

--- Runs a program until it ends. Its standard error goes to the log, line by line. What it starts besides ends with the
--- caller's scope, at the latest.
---@param command engine.process.StartOptions
---@param log engine.log.logger
---@param take fun(line: string)
---@return engine.process.Ended|nil ended with the end of its `stderr`
---@return string? message, string? code as engine.process has them
---@return string? stderr of one that was started
function M.follow(command, log, take)
  command.stderr = true
  local child, message, code = process.start(command)
  if not child then return nil, message, code end
  local name = tostring(command[1])
  local said = Stderr.new(name, log)
  local reading = task.spawn(said.read, said, child.stderr)
  local ending = task.spawn(child.wait, child)
  local draining = task.spawn(drain, child, name, ending, log)
  take_lines(child, take)
  local is_late = end_late(child, ending)
  reading:wait()
  local _, ended
  _, ended, message, code = ending:join()
  draining:cancel()
  if is_late then return nil, name .. " closed its output", "EOF", said.text end
  if not ended then return nil, message, code, said.text end
  ended.stderr = said.text
  return ended
end

return M
