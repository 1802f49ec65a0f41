-- SPDX-License-Identifier: MIT
--- Programs: the Lua half. What a program prints is never held beyond a limit.
local core = require("engine.process.core")
local lines = require("engine.process.lines")
local scopes = require("engine.scope")
local signals = require("engine.signal")
local streams = require("engine.stream")
local task = require("engine.task")
local guard = require("engine.task.core").guard
local sleep = require("engine.timer").sleep
local find = string.find

local M = { exit_now = core.exit_now, notify = require("engine.notify"), signals = signals.watch }

local MAX_OUTPUT = 8 * 1024 * 1024 -- bytes
local DRAIN = 1 -- seconds for output to end after the program has, should another process hold it
local GRACE = 2 -- seconds between TERM and KILL, as in the core

local START_OPTIONS = { stdin = true, stderr = true, env = true, cwd = true, timeout = true }
local RUN_OPTIONS = { stdin = true, env = true, cwd = true, timeout = true, max_output = true }

---@class engine.process.Process
local Process = {}
local class = { __index = Process, __name = "process" } -- apart: nobody gets at it by an object

local function check_type(options, name, kind, other)
  local found = type(options[name])
  if found ~= "nil" and found ~= kind and found ~= other then
    error(('option "%s": expected a %s, found a %s'):format(name, kind, found), 4)
  end
end

local function check_whole(text, level)
  if find(text, "%z") then
    error(('"%s" goes on with a zero byte: a program can be given none'):format(text:match("^%Z*")), level)
  end
end

local function read_arguments(options, known)
  if type(options) ~= "table" then error("expected a table, found a " .. type(options), 3) end
  local arguments = {}
  for i = 1, #options do
    local kind = type(options[i])
    if kind ~= "string" and kind ~= "number" then
      error(("argument %d: expected a string, found a %s"):format(i - 1, kind), 3)
    end
    arguments[i] = tostring(options[i])
    check_whole(arguments[i], 4)
  end
  if not arguments[1] or arguments[1] == "" then error("expected a command as the first of the list", 3) end
  for key in next, options do
    if type(key) ~= "number" and not known[key] then error(('unknown option "%s"'):format(tostring(key)), 3) end
  end
  check_type(options, "stdin", "string", known.max_output and "string" or "boolean")
  check_type(options, "stderr", "boolean")
  check_type(options, "env", "table")
  check_type(options, "cwd", "string")
  check_type(options, "timeout", "number")
  check_type(options, "max_output", "number")
  check_whole(options.cwd or "", 4)
  return arguments
end

local function describe_key(key)
  if type(key) == "string" then return ("%q"):format(key) end
  return type(key) == "number" and tostring(key) or "a " .. type(key)
end

--- Whether these are variables that a program can be given. Values, which may be secrets, are not in the message.
---@param env table
---@return true|nil ok
---@return string? message
function M.check_environment(env)
  for name, value in next, env do
    if type(name) ~= "string" or name == "" or find(name, "[=%z]") then
      return nil, 'expected names of variables as keys, such as { HOME = "/" }, found the key ' .. describe_key(name)
    end
    local kind = type(value)
    if kind ~= "string" and kind ~= "number" and value ~= false then
      return nil, ("%s: expected a string, a number or false, found a %s"):format(name, kind)
    end
    if kind == "string" and find(value, "%z") then return nil, name .. ": expected a value without zero bytes" end
  end
  return true
end

-- The engine's own, with what `changes` sets, and without what it sets to false.
local function read_environment(changes)
  local ok, message = M.check_environment(changes)
  if not ok then error('option "env": ' .. message, 0) end
  local entries = {}
  for name, value in next, changes do
    if value ~= false then entries[#entries + 1] = name .. "=" .. tostring(value) end
  end
  for _, entry in ipairs(core.environment()) do
    if changes[entry:match("^[^=]*")] == nil then entries[#entries + 1] = entry end
  end
  return entries
end

local function wrap(handle, name) return handle and streams.new(handle, "standard " .. name .. " of a process") end

local function start(arguments, options, has_stderr)
  local environment, has_stdin = read_environment(options.env or {}), options.stdin and true or false
  local wanted = options.timeout or math.huge
  local seconds = scopes.timeout(wanted)
  local handle, input, output, errors, pid = core.spawn(arguments, environment, options.cwd, seconds, has_stdin, has_stderr)
  if not handle then return nil, input, output end
  local self = setmetatable({
    handle = handle, pid = pid, name = arguments[1], seconds = seconds, is_cut = seconds < wanted,
    stdin = wrap(input, "input"), stdout = wrap(output, "output"), stderr = wrap(errors, "error"),
  }, class)
  if type(options.stdin) == "string" then
    task.spawn(function()
      self.stdin:write(options.stdin)
      self.stdin:close()
    end)
  end
  return self
end

--- Starts a program in a process group of its own, which ends with the scope. Its standard error is the engine's, unless asked for.
---@param options engine.process.StartOptions
---@return engine.process.Process? process
---@return string? message
---@return string? code "ENOENT", "EACCES"…
function M.start(options) return start(read_arguments(options, START_OPTIONS), options, options.stderr) end

function Process:fail(message, code)
  self.failure = self.failure or { self.name .. message, code }
  self:kill("KILL")
end

local function describe_timeout(self)
  return ("%s timed out after %.3g s%s"):format(self.name, self.seconds, self.is_cut and ", nine tenths of what its caller had left" or "")
end

--- Waits for the program's end. Results as in the stub.
function Process:wait()
  local code, signal, is_late = self.handle:wait()
  if self.failure then return nil, self.failure[1], self.failure[2] end
  if not code then return nil, signal, is_late end
  if is_late then return nil, describe_timeout(self), "ETIMEDOUT" end
  if signal == 0 then return { code = code } end
  return { signal = signals.names[signal] or tostring(signal) }
end

--- Sends a signal to the program and all that it started.
---@param signal? string "TERM" without one
---@return true? ok, string? message, string? code "ESRCH" when it has ended
function Process:kill(signal) return self.handle:kill(signals.number(signal or "TERM", 2)) end

--- Kills it, if it runs, and closes its pipes.
function Process:close()
  self.handle:close()
  for _, name in ipairs({ "stdin", "stdout", "stderr" }) do
    if self[name] then self[name]:close() end
  end
end

--- Writes to its standard input, when it was started with `stdin = true`.
function Process:write(data)
  if not self.stdin then error("its standard input is no pipe: start it with stdin = true", 2) end
  return self.stdin:write(data)
end

--- Ends its standard input.
function Process:close_stdin()
  if self.stdin then self.stdin:close() end
end

--- Iterates over the lines that it prints, without their ends.
---@return fun(): string?
function Process:lines() return lines.each(self) end

--- Iterates over the newest line that it printed since the one before.
---@return fun(): string?
function Process:newest() return lines.newest(self) end

local function size_text(bytes)
  if bytes < 1024 * 1024 then return bytes .. " bytes" end
  return ("%.3g MB"):format(bytes / 1024 / 1024)
end

-- Reads one pipe to its end, unless both together give more than `limit` bytes.
local function collect(process, stream, output)
  for data in function() return stream:read() end do
    output.size = output.size + #data
    if output.size > output.limit then
      return process:fail(" printed more than " .. size_text(output.limit), "EMSGSIZE")
    end
    output[stream][#output[stream] + 1] = data
  end
end

-- These seconds, or less than half of what the caller has left: so the answer is there before the caller's limit.
local function within(seconds) return scopes.timeout(2 * seconds) / 2 end

local function kill_early(process)
  sleep(process.seconds)
  sleep(within(GRACE))
  process:kill("KILL")
end

local function run(arguments, options)
  local process, message, code = start(arguments, options, true)
  if not process then return nil, message, code end
  local out, err = process.stdout, process.stderr
  local output = { [out] = {}, [err] = {}, size = 0, limit = options.max_output or MAX_OUTPUT }
  local readers = { task.spawn(collect, process, out, output), task.spawn(collect, process, err, output) }
  local is_kill_late = process.seconds + GRACE > scopes.timeout(math.huge) -- the core's
  if is_kill_late then task.spawn(kill_early, process) end
  local ended
  ended, message, code = process:wait()
  local is_read = task.timeout(within(DRAIN), function()
    for _, reader in ipairs(readers) do reader:join() end
    return true
  end)
  process:close()
  local printed = { stdout = table.concat(output[out]), stderr = table.concat(output[err]) }
  if process.failure then return nil, process.failure[1], process.failure[2], printed end
  if not ended then return nil, message, code, printed end
  ended.stdout, ended.stderr, ended.held = printed.stdout, printed.stderr, not is_read or nil
  return ended
end

--- Runs a program and waits for its end. Results as in the stub.
function M.run(options)
  local arguments = read_arguments(options, RUN_OPTIONS)
  local scope, closed, why = scopes.new()
  if not scope then return nil, closed, why end
  guard(scope)
  local ok, result, message, code, printed = scope:spawn(run, arguments, options):join()
  guard(nil)
  if not ok then error(result, 0) end
  return result, message, code, printed
end

return M
