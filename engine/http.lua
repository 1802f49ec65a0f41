-- SPDX-License-Identifier: MIT
--- HTTP: the Lua half, for options, names, redirects and messages; libcurl does the rest, see engine/http/.
--- Invariant: what was started for a request ends with it.
local certificates = require("engine.http.certificates")
local coding = require("engine.http.coding")
local exchange = require("engine.http.exchange")
local headers = require("engine.http.headers")
local library = require("engine.http.library")
local limit = require("engine.scope.core").timeout
local options = require("engine.http.options")
local redirects = require("engine.http.redirects")
local response = require("engine.http.response")
local task = require("engine.task.core")
local timer = require("engine.timer")
local urls = require("engine.http.url")

local M = {}

-- Reads what was given, but for its types: a result where it is wrong.
local function prepare(settings)
  local core, message, code = library.load()
  if not core then return nil, message, code end
  local url, fields
  url, message, code = urls.parse(core, settings.url)
  if not url then return nil, message, code end
  local asked = { url = url, method = settings.method, body = settings.body, fields = false, has_identity = true, by = false }
  fields, message, code = options.fields(settings, url.user ~= nil)
  if not fields then return nil, exchange.label(asked, message), code end
  asked.fields = fields
  message = certificates.find_irregular(settings)
  if message then return nil, exchange.label(asked, message), "ECERT" end
  return core, asked
end

-- What a transfer gives in the end: status, fields, the rest.
local function read_answer(settings, asked, status, fields, more, ...)
  if not status then return nil, exchange.fail(settings, asked, fields, more, ...) end
  local problem = headers.find_problem(headers.join(fields, more))
  if problem then return nil, exchange.label(asked, problem), "EPROTO" end
  return status, fields, ...
end

-- Asks, and asks again where it is sent. Gives the last transfer, what was asked, and what it gave.
local function ask(settings, method)
  local core, asked, code = prepare(settings)
  if not core then return nil, asked, code end
  local ok, problem
  ok, problem, code = options.add_token(settings, asked.fields)
  if not ok then return nil, exchange.label(asked, problem), code end
  local first, deadline = asked, timer.now() + settings.timeout
  for _ = 0, settings.follow do
    local transfer, message
    transfer, message, code = exchange.start(core, settings, asked, deadline)
    if not transfer then return nil, message, code end
    local status, fields, body = read_answer(settings, asked, transfer[method](transfer))
    if not status then
      transfer:close()
      return nil, fields, body
    end
    if settings.follow == 0 or not redirects.is_one(status, fields) then
      return transfer, asked, { status = status, headers = fields, body = body, label = asked.url.label }
    end
    transfer:close()
    local next_one
    next_one, message, code = redirects.next(core, asked, status, fields.location)
    if not next_one then return nil, exchange.label(asked, message), code end
    asked = next_one
  end
  return nil, exchange.label(first, ("more than %d redirects"):format(settings.follow)), "ELOOP"
end

local function begin(kind, given)
  local settings = options.read(kind, given, 4)
  local problem = options.find_problem(settings)
  if problem then error(problem, 3) end
  task.may_wait()
  settings.timeout = limit(settings.timeout)
  return settings
end

--- Whether these options could be asked with: all that is known without asking. Raises for unknown options and wrong types.
---@param given engine.http.RequestOptions|engine.http.StreamOptions
---@return true? ok, string? message, string? code "EINVAL"; "ENOTSUP" as in the stub
function M.check(given)
  local settings = options.read("either", given, 3)
  local problem = options.find_problem(settings)
  if problem then return nil, problem, "EINVAL" end
  task.may_wait()
  local core, asked, code = prepare(settings)
  if not core then return nil, asked, code end
  local proxy, message
  proxy, message, code = exchange.find_proxy(core, settings, asked.url)
  if proxy == nil then return nil, exchange.label(asked, message), code end
  return true
end

--- Asks, and waits for the whole answer. Raises for unknown options and wrong types.
---@param given engine.http.RequestOptions
---@return engine.http.Answer? answer whatever its status is
---@return string? message
---@return string? code as in the stub
function M.request(given)
  local settings = begin("request", given)
  local transfer, asked, answer = ask(settings, "answer")
  if not transfer then return nil, asked, answer end
  transfer:close()
  local body, result, text = coding.unpack(library.load(), answer.headers["content-encoding"], answer.body, settings.max_body)
  if not body then return nil, exchange.fail(settings, asked, result, text) end
  answer.body = body
  return answer
end

--- Asks, and waits for the head of the answer, whose body is then read as it comes. Raises for unknown options and wrong
--- types.
---@param given engine.http.StreamOptions
---@return engine.http.Response? response whatever its status is
---@return string? message
---@return string? code as in the stub
function M.stream(given)
  local settings = begin("stream", given)
  local transfer, asked, answer = ask(settings, "head")
  if not transfer then return nil, asked, answer end
  return response.new(transfer, answer, function(...) return exchange.fail(settings, asked, ...) end, settings.max_line)
end

return M
