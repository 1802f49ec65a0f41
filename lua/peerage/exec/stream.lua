-- SPDX-License-Identifier: MIT
--- A program that stays up and says something new on a line. Invariant: what it prints faster than it can be taken in
--- holds it up, and of its lines the newest is taken, at most ten times a second.
local Stderr = require("peerage.exec.stderr")
local process = require("engine.process")
local task = require("engine.task")

local M = {}

local PAUSE, LONGEST_PAUSE = 0.1, 0.5 -- seconds between two lines that are taken
local REST = 4 -- times what it takes of the CPU to take one: so long the pause is, for lists may be very long
local DRAIN = 1 -- seconds for output to end after the program has, should another process hold it

local function take_lines(child, take)
  for line in child:newest() do
    local started = os.clock()
    take(line)
    task.sleep(math.min(math.max(PAUSE, REST * (os.clock() - started)), LONGEST_PAUSE))
  end
end

-- What has left its group may hold its output for ever.
local function drain(child, name, ending, log)
  ending:join()
  task.sleep(DRAIN)
  log.warn(name .. " left a process that holds its output")
  child:close()
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
  reading:wait()
  local _, ended
  _, ended, message, code = ending:join()
  draining:cancel()
  if not ended then return nil, message, code, said.text end
  ended.stderr = said.text
  return ended
end

return M
