-- SPDX-License-Identifier: MIT
--- A process of a spec, peerage-lua for the most part: its log is read line by line, and awaited.
local fs = require("engine.fs")
local process = require("engine.process")
local task = require("engine.task")
local usage = require("support.usage")

local M = {}
M.__index = M

local PATIENCE = require("support.patience")

-- Starts a program; stdout and stderr come together.
local function run(program, options)
  local command = { "sh", "-c", 'exec "$@" 2>&1', "sh", unpack(program) }
  command.cwd, command.env = options.cwd, options.env
  local self = setmetatable({ process = assert(process.start(command)), log = {}, matched = {} }, M)
  self.arrivals = task.queue(1)
  self.reader = task.spawn(function()
    for line in self.process:lines() do
      self.log[#self.log + 1] = line
      self.arrivals:push(true)
    end
  end)
  return self
end

--- The binary that runs the specs. Waits.
---@return string path
function M.binary() return assert(fs.realpath("/proc/self/exe")) end

--- Whether that is built with sanitizers: what memory it has then says nothing of the engine. Waits.
---@return boolean
function M.is_sanitized() return M.binary():find("asan", 1, true) ~= nil end

--- Starts `peerage-lua` with arguments.
---@param arguments string[]
---@param options { namespace: string?, under: string[]?, cwd: string?, env: table<string, string>? }|nil `under`: a command
---  that runs it
---@return spec.Daemon
function M.start(arguments, options)
  options = options or {}
  local program = {}
  if options.namespace then
    for _, word in ipairs({ "ip", "netns", "exec", options.namespace }) do program[#program + 1] = word end
  end
  for _, word in ipairs(options.under or {}) do program[#program + 1] = word end
  program[#program + 1] = M.binary()
  for _, argument in ipairs(arguments) do program[#program + 1] = argument end
  return run(program, options)
end

-- The first line that holds `text` after the one that was found for it last.
local function find(self, text)
  for i = (self.matched[text] or 0) + 1, #self.log do
    if self.log[i]:find(text, 1, true) then
      self.matched[text] = i
      return self.log[i]
    end
  end
end

--- Waits for a line that holds `text` (plain); the next call for the same text looks behind that line.
---@param text string
---@param seconds number|nil
---@return string line
function M:expect(text, seconds)
  local line, message = task.timeout(seconds or PATIENCE, function()
    local line = find(self, text)
    while not line do
      self.arrivals:pop()
      line = find(self, text)
    end
    return line
  end)
  if not line then
    error(("expected %q: %s; the log was:\n%s"):format(text, message, table.concat(self.log, "\n")), 2)
  end
  return line
end

--- Whether a line of the whole log holds `text`.
function M:has_said(text) return table.concat(self.log, "\n"):find(text, 1, true) ~= nil end

--- Has the next call of `expect` for the same text look at no line that is there already.
---@param text string
function M:skip(text) self.matched[text] = #self.log end

--- Waits for a line that holds `text` (plain) and comes from now on.
---@param text string
---@param seconds number|nil
---@return string line
function M:expect_next(text, seconds)
  self:skip(text)
  return self:expect(text, seconds)
end

function M:signal(name) self.process:kill(name) end

--- Ends it, politely unless another signal is named.
---@param signal string|nil "INT"
---@return { code: integer, signal: integer|nil }
function M:stop(signal)
  self.process:kill(signal or "TERM")
  return self:wait()
end

--- Ends it as `stop` does, and says how long that took, without what it waited for a CPU on a loaded host.
---@param signal string|nil
---@return { code: integer, signal: integer|nil } ended
---@return number seconds
function M:timed_stop(signal)
  local took, ended = usage.time({ self.process.pid }, function() return self:stop(signal) end)
  return ended, took
end

--- Waits for its end.
function M:wait(seconds)
  local result = assert(task.timeout(seconds or PATIENCE, self.process.wait, self.process))
  self.reader:cancel()
  self.process:close()
  return result
end

return M
