-- SPDX-License-Identifier: MIT
--- In the place of peerage.erlang.node: links come, go and answer as a spec says.
local etf = require("peerage.erlang.etf")
local task = require("engine.task")

local M = {}
M.__index = M

--- What to give as `start_node`; the nodes that it made are in `made`, and the reasons in `failures` come first.
---@param failures string[]|nil why it cannot start, each for once
---@return fun(spec: table): spec.FakeNode|nil, string? start
---@return spec.FakeNode[] made
function M.starter(failures)
  local made, failed = {}, 0
  local function start(spec)
    failed = failed + 1
    if failures and failures[failed] then return nil, failures[failed] end
    made[#made + 1] = setmetatable({
      spec = spec, watchers = {}, creation = 1, calls = {}, answers = {},
      attempts = task.queue(), -- each connect() that waits for a verdict: a table with `options` and a queue `verdict`
    }, M)
    return made[#made]
  end
  return start, made
end

function M:connect(name, options)
  local attempt = { name = name, options = options, verdict = task.queue() }
  self.attempts:push(attempt)
  local verdict = attempt.verdict:pop()
  if verdict == true then self:tell(name, true) end
  return verdict == true, verdict ~= true and verdict or nil
end

--- Lets the next attempt come to something: true, or the reason why not.
---@return table attempt
function M:decide(verdict)
  local attempt = assert(task.timeout(30, self.attempts.pop, self.attempts))
  attempt.verdict:push(verdict)
  task.sleep(0)
  return attempt
end

function M:tell(name, is_up, reason)
  for watcher in next, self.watchers do watcher(name, is_up, reason) end
end

function M:watch(watcher) self.watchers[watcher] = true end

function M:creation_of() return self.creation end

--- Answers with what `answers` has for the function, or by that: a term, or a table with a `message`.
function M:call(name, module, fun, arguments, seconds)
  self.calls[#self.calls + 1] = ("%s %s:%s%s"):format(name, module, fun, etf.describe(arguments))
  self.seconds = seconds
  local answer = self.answers[fun]
  if type(answer) == "function" then answer = answer() end
  if type(answer) == "table" and answer.message then return nil, answer.message, "ETIMEDOUT" end
  return answer
end

function M:configure(changes) self.changes = changes end

function M.counters() return { links = 1 } end

function M:close() self.is_closed = true end

return M
