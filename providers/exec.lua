-- SPDX-License-Identifier: MIT
--- Finds the nodes that a program prints: each time it is run, or, with `stream`, whenever it prints a list.
--- Invariant: no program outlives the poll or the provider that started it.
local formats = require("peerage.formats")
local process = require("engine.process")
local stderr = require("peerage.exec.stderr")

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
M.options.max_output = { type = "integer", default = 8 * 1024 * 1024, min = 1, max = 2 ^ 30, doc = "bytes that it may print" }
M.options.empty = { type = "boolean", default = false, doc = "to print nothing means that there are no nodes" }
M.options.stream = { type = "boolean", default = false, doc = "it stays up and prints a whole list, as JSON, a line" }

local function format_of(options) return options.format or options.stream and "json" or "lines" end

local function check_env(env)
  for name, value in next, env or {} do
    local kind = type(value)
    if type(name) ~= "string" or name == "" or name:find("[=%z]") then return nil, "env: expected names of variables as keys" end
    if kind ~= "string" and kind ~= "number" and value ~= false or tostring(value):find("%z") then
      return nil, ("env: %s: expected a string, a number or false"):format(name)
    end
  end
  return true
end

--- Whether the options go together.
function M.check(options)
  local format = format_of(options)
  if options.stream and format ~= "json" and format ~= "prometheus" then
    return nil, ('stream is for one list of JSON a line: expected format "json" or "prometheus", found "%s"'):format(format)
  end
  for i, argument in ipairs(options.command) do
    if i == 1 and argument == "" or tostring(argument):find("%z") then
      return nil, ("command: argument %d: it is empty, or holds a zero byte"):format(i - 1)
    end
  end
  local ok, message = check_env(options.env)
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
  return stderr.add(options.command[1] .. " " .. how, ended.stderr or "")
end

local function run(options)
  local command = build(options)
  command.timeout, command.max_output = options.timeout, options.max_output
  local ended, message, _, printed = process.run(command)
  if not ended then return nil, stderr.add(message, printed and printed.stderr or "") end
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
  if not self.options.stream then return run(self.options) end
  if self.said then return self.said[1], self.said[2] end
  return nil, self.options.command[1] .. " has printed no list yet"
end

local function say(self, nodes, message)
  self.said = { nodes, message }
  self:update(nodes, message)
end

local function take_line(self, line)
  if not line:find("%S") then return end
  local nodes, wrong = formats.read(format_of(self.options), line, self.options)
  say(self, nodes, wrong and ("%s: a line that it printed: %s"):format(self.options.command[1], wrong))
end

local function stream(self)
  local child, message = process.start(build(self.options))
  if not child then return message end
  for line in child:lines() do take_line(self, line) end
  local ended
  ended, message = child:wait()
  return message or describe_end(self.options, ended)
end

--- Keeps the program of `stream` up. When it ends its list is old, and it is started again.
---@param self peerage.ProviderSelf
function M.serve(self)
  if not self.options.stream then return false end
  local message = stream(self)
  say(self, nil, message)
  error(message, 0)
end

return M
