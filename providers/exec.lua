-- SPDX-License-Identifier: MIT
--- Finds the nodes that a program prints: each time it is run, or, with `stream`, whenever it prints a list.
--- Invariant: no program outlives the poll or the provider that started it, unless it leaves its process group.
local absence = require("peerage.exec.absence")
local formats = require("peerage.formats")
local process = require("engine.process")
local stderr = require("peerage.exec.stderr")
local streams = require("peerage.exec.stream")

local M = {}

M.options = formats.options()
M.options.format.doc = M.options.format.doc .. '; "lines" without, "json" with stream'
M.options.command = {
  type = "list", of = { type = { "string", "number" } }, min = 1, required = true,
  doc = 'program and arguments; no shell but { "sh", "-c", "…" }',
}
M.options.cwd = { type = "path", default = ".", doc = "where it runs; the config's folder without" }
M.options.env = { type = "table", secret = true, doc = "variables for it; false removes one" }
M.options.timeout = { type = "number", min = 0.001, max = 86400, doc = "seconds for it; most of a poll's without" }
M.options.max_output = { type = "integer", min = 1, max = 2 ^ 30, doc = "bytes that it may print; 8 MB without" }
M.options.empty = { type = "boolean", doc = "to print nothing means that there are no nodes" }
M.options.stream = { type = "boolean", default = false, doc = "it stays up and prints a whole list, as JSON, a line" }

local function format_of(options) return options.format or options.stream and "json" or "lines" end

local function check_stream(options, format)
  if not options.stream then return true end
  for _, name in ipairs({ "timeout", "max_output", "empty" }) do
    if options[name] ~= nil then return nil, name .. ": is not for stream, whose program stays up: leave it out" end
  end
  if format == "json" or format == "prometheus" then return true end
  return nil, ('stream is for one list of JSON a line: expected format "json" or "prometheus", found "%s"'):format(format)
end

local function check_command(command)
  for i, argument in ipairs(command) do
    if i == 1 and argument == "" or tostring(argument):find("%z") then
      return nil, ("command: argument %d: it is empty, or holds a zero byte"):format(i - 1)
    end
  end
  return true
end

local function check_env(env)
  local ok, message = process.check_environment(env or {})
  return ok, message and "env: " .. message
end

--- Whether the options go together.
function M.check(options)
  local format = format_of(options)
  local ok, message = check_stream(options, format)
  if ok then ok, message = check_command(options.command) end
  if ok then ok, message = check_env(options.env) end
  if not ok then return nil, message end
  return formats.check(format, options)
end

-- The command as engine.process wants it.
local function build(options)
  local command = { unpack(options.command) }
  command.cwd, command.env = options.cwd, options.env
  return command
end

local function describe_end(options, ended)
  local how = ended.signal and "was ended by the signal " .. ended.signal or ("ended with status %d"):format(ended.code)
  return stderr.add(options.command[1] .. " " .. how, ended.stderr)
end

local function describe_failure(options, message, code, said)
  return stderr.add(absence.explain(message, code, options), said or "")
end

-- Once is enough: it is so at each poll.
local function warn_of_held(self)
  if self.has_warned then return end
  self.has_warned = true
  self.log.warn(self.options.command[1] .. " leaves a process that holds its output: each poll waits up to a second for that")
end

local function run(self)
  local options, command = self.options, build(self.options)
  command.timeout, command.max_output = options.timeout, options.max_output
  local ended, message, code, printed = process.run(command)
  if not ended then return nil, describe_failure(options, message, code, printed and printed.stderr) end
  if ended.held then warn_of_held(self) end
  if ended.code ~= 0 then return nil, describe_end(options, ended) end
  if not ended.stdout:find("%S") then
    if options.empty then return {} end
    return nil, stderr.add("command printed nothing", ended.stderr)
  end
  local nodes, wrong = formats.read(format_of(options), ended.stdout, options)
  return nodes, wrong and ("%s: %s"):format(options.command[1], wrong)
end

---@param self peerage.ProviderSelf
---@return peerage.Node[]|nil nodes, string? message
function M.poll(self)
  if not self.options.stream then return run(self) end
  if self.said then return self.said[1], self.said[2] end
  local name = self.options.command[1]
  if self.is_started then return nil, name .. " has printed no list yet (a line counts once it is flushed)" end
  return nil, name .. " is not started yet, nor will it be with serves = false"
end

local function say(self, nodes, message)
  self.said = { nodes, message }
  self:update(nodes, message)
end

-- Takes each list. Gives how the program ended, and what was wrong with its last line.
local function follow(self)
  local options, wrong = self.options, nil
  local ended, message, code, said = streams.follow(build(options), self.log, function(line)
    local nodes, problem = formats.read(format_of(options), line, options)
    problem = problem and ("%s: a line that it printed: %s"):format(options.command[1], problem)
    wrong = not nodes and problem or nil
    say(self, nodes, problem)
  end)
  local how = ended and describe_end(options, ended) or describe_failure(options, message, code, said)
  return wrong and wrong .. "; " .. how or how
end

--- Keeps the program of `stream` up. When it ends its list is old, and it is started again.
---@param self peerage.ProviderSelf
---@return false|nil, string? message how it ended
function M.serve(self)
  if not self.options.stream then return false end
  self.is_started, self.said = true, nil
  local message = follow(self)
  say(self, nil, message)
  return nil, message
end

return M
