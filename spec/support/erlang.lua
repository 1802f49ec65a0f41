-- SPDX-License-Identifier: MIT
--- Real Erlang nodes of a spec (`erl`, spoken to in Erlang) and the real `epmd`, in the foreground.
--- No node starts an epmd of its own, and none sees a home folder but its own, so nothing stays behind.
local fs = require("engine.fs")
local process = require("engine.process")
local task = require("engine.task")
local tcp = require("engine.tcp")

local Daemon = require("support.daemon")
local Folder = require("support.folder")

local M = setmetatable({}, { __index = Daemon }) -- expect(text), has_said(text), signal(name), wait(seconds)
M.__index = M

local PATIENCE = require("support.patience")

-- Reads an expression a line and answers each with its number and its value (or why there is none) in one line. It runs
-- in one process all the time, so that messages for it stay in its mailbox; and not in init, which is to end its start.
local LOOP = [[
spawn(fun() ->
  io:setopts([{encoding, latin1}, binary]),
  Answer = fun(N, How, What) -> io:put_chars(io_lib:format("=~b ~s ~0p~n", [N, How, What])) end,
  Loop = fun Loop(N) ->
    case io:get_line("") of
      Line when is_binary(Line) ->
        try
          {ok, Tokens, _} = erl_scan:string(binary_to_list(Line)),
          {ok, Expressions} = erl_parse:parse_exprs(Tokens),
          {value, Value, _} = erl_eval:exprs(Expressions, []),
          Answer(N, "ok", Value)
        catch Class:Reason -> Answer(N, "raised", {Class, Reason}) end,
        Loop(N + 1);
      _ -> halt(0)
    end
  end,
  Answer(0, "ok", node()),
  Loop(1)
end).
]]

local function has(program)
  for place in (os.getenv("PATH") or "/usr/bin"):gmatch("[^:]+") do
    if fs.stat(place .. "/" .. program) then return true end
  end
  return false
end

--- Whether `erl` and `epmd` are installed. Waits.
---@return boolean
function M.is_there() return has("erl") and has("epmd") end

--- A port of the loopback that is free now: neither erl nor epmd can be told to take any.
---@return integer port
function M.free_port()
  local listener = assert(tcp.listen({ host = "127.0.0.1" }))
  local _, port = listener:address()
  listener:close()
  return port
end

-- Answers go to those who asked, all other lines to the log. The line that says `ready` is the answer to the start.
local function read(self, ready)
  for line in self.process:lines() do
    local number, how, value = line:match("^=(%d+) (%l+) (.*)$")
    if number then
      self.answers:push({ number = tonumber(number), is_ok = how == "ok", value = value })
    else
      self.log[#self.log + 1] = line
      self.arrivals:push(true)
      if ready and line:find(ready, 1, true) then self.answers:push({ number = 0, is_ok = true }) end
    end
  end
  self.answers:push({ has_ended = true })
end

local function run(command, options)
  local whole = { "sh", "-c", 'exec "$@" 2>&1', "sh" }
  if options.namespace then
    for _, word in ipairs({ "ip", "netns", "exec", options.namespace }) do whole[#whole + 1] = word end
  end
  for _, word in ipairs(command) do whole[#whole + 1] = word end
  whole.cwd, whole.env, whole.stdin = options.cwd, options.env, options.stdin
  local self = setmetatable({ process = assert(process.start(whole)), log = {}, matched = {}, asked = 0 }, M)
  self.arrivals, self.answers = task.queue(1), task.queue()
  self.reader = task.spawn(read, self, options.ready)
  return self
end

-- An answer to a question that was given up may come before the one to the last question.
local function take_answer(self, seconds)
  return task.timeout(seconds or PATIENCE, function()
    local answer
    repeat
      answer = self.answers:pop()
    until answer.has_ended or answer.number == self.asked
    return answer
  end)
end

local function fail(self, text) error(("%s; the log was:\n%s"):format(text, table.concat(self.log, "\n")), 3) end

local function await_start(self, what)
  local answer = take_answer(self)
  if answer and answer.is_ok then return self end
  self:stop()
  fail(self, what .. " did not start")
end

local function command_of(options)
  local command = { "erl", "-noshell", "-start_epmd", "false", "+S", "1:1", "+sbwt", "none", "+A", "1" }
  local function add(...)
    for _, word in ipairs({ ... }) do command[#command + 1] = word end
  end
  if options.name then add("-name", options.name) end
  if options.cookie then add("-setcookie", options.cookie) end
  add(unpack(options.arguments or {}))
  add("-eval", LOOP)
  return command
end

---@class spec.ErlangOptions
---@field name? string "c@127.0.0.1"; without it no node, until `net_kernel:start/1` makes it one
---@field cookie? string default: one that erl makes up
---@field arguments? string[] more of them: { "-hidden", "-kernel", "net_ticktime", "4" }
---@field epmd_port? integer required with a name. Where no EPMD serves there the node does not start ("econnrefused")
---@field env? table<string, string>
---@field namespace? string the network namespace to run in

--- Starts a node and waits until it is up; raises, with what it printed, if it does not come up.
---@param options spec.ErlangOptions
---@return spec.Erlang node its `log` has the lines that it printed
function M.start(options)
  assert(not options.name or options.epmd_port, "a node with a name needs epmd_port")
  local home = Folder.new()
  local env = {
    HOME = home.path, ERL_EPMD_PORT = options.epmd_port, ERL_CRASH_DUMP = "/dev/null",
    ERL_FLAGS = false, ERL_AFLAGS = false, ERL_ZFLAGS = false,
  }
  for key, value in pairs(options.env or {}) do env[key] = value end
  local self = run(command_of(options), { namespace = options.namespace, cwd = home.path, env = env, stdin = true })
  self.home = home
  return await_start(self, "erl")
end

--- Evaluates an Erlang expression: `node:eval("net_adm:ping('a@127.0.0.1').")` is "pong". Variables end with it; the
--- process dictionary and the messages of the process that evaluates stay. Raises what it raises.
---@param expression string the dot at its end may be left out
---@param seconds? number default 30
---@return string value as `~0p` prints it, in one line
function M:eval(expression, seconds)
  self.asked = self.asked + 1
  local line = expression:gsub("%s+", " "):gsub("[ .]*$", "")
  if not self.process:write(line .. ".\n") then fail(self, line .. ": the node has ended") end
  local answer, message = take_answer(self, seconds)
  if not answer then fail(self, ("%s: %s"):format(line, message)) end
  if answer.has_ended then fail(self, line .. ": the node has ended") end
  if not answer.is_ok then error(("%s raised %s"):format(line, answer.value), 2) end
  return answer.value
end

--- Has it end itself, as a program does that is done, and waits for that.
function M:halt()
  self.process:write("halt(0).\n")
  assert(task.timeout(PATIENCE, self.process.wait, self.process))
end

--- Ends it, in whatever state it is, and waits for that. May be called again.
function M:stop()
  self.process:kill("KILL")
  self:wait()
  if self.home then self.home:remove() end
  self.home = nil
end

--- Starts the real epmd on loopback addresses and waits until it serves; raises if it does not. It ends with stop().
---@param port integer
---@param options { namespace: string?, address: string? }|nil address: another to serve on, beside the loopback
---@return spec.Erlang epmd without eval and halt
function M.start_epmd(port, options)
  local address = options and options.address or "127.0.0.1"
  local self = run({ "epmd", "-d", "-d", "-port", port, "-address", address }, {
    namespace = options and options.namespace, ready = "entering the main select() loop",
    env = { ERL_EPMD_ADDRESS = false, ERL_EPMD_RELAXED_COMMAND_CHECK = false },
  })
  return await_start(self, "epmd")
end

return M
