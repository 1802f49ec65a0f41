-- SPDX-License-Identifier: MIT
--- One request and its answer: names are looked up by engine.dns, failures are put into words that name what was asked.
local dns = require("engine.dns")
local failure = require("engine.http.failure")
local hostname = require("engine.dns.hostname")
local plan = require("engine.http.plan")
local proxies = require("engine.http.proxy")
local timer = require("engine.timer")

local M = {}

local BUFFER = 256 * 1024 -- bytes of a stream that wait to be read at most
local PROXY_PORT = 1080 -- curl's, where none is given

---@class engine.http.Asked
---@field url engine.http.Url
---@field method string
---@field body? string
---@field fields engine.http.Field[]
---@field has_identity boolean whether the client's certificate is for this origin
---@field has_proxy? boolean it was asked by a proxy

--- Names what was asked in messages.
---@param asked engine.http.Asked
function M.label(asked, message)
  return ("%s %s%s: %s"):format(asked.method, asked.url.label, asked.has_proxy and " (by a proxy)" or "", message)
end

-- What has to be looked up: a host and its port, or nothing.
local function find_name(core, settings, url, proxy)
  if settings.unix_socket then return nil end
  local host, port = url.host, url.port
  if proxy then
    local parsed = core.url(proxy:find("://", 1, true) and proxy or "http://" .. proxy)
    if not parsed or not parsed.host then return nil end
    host, port = parsed.host, (parsed.scheme == "https" or proxy:find(":%d+/?$")) and parsed.port or PROXY_PORT
  end
  if host:sub(1, 1) == "[" or hostname.parse(host).address then return nil end
  return host, port
end

-- As libcurl takes what is known already: for a minute, and not for ever.
local function look_up(host, port, seconds)
  local found, message, code = dns.addresses(host, { timeout = seconds })
  if not found then return nil, message, code end
  local addresses = {}
  for i, each in ipairs(found) do
    addresses[i] = each.address:find(":", 1, true) and "[" .. each.address .. "]" or each.address
  end
  return { ("+%s:%d:%s"):format(host, port, table.concat(addresses, ",")) }
end

local function read_start(settings, asked, transfer, result, code, ...)
  if transfer or code == "ECANCELED" then return transfer, result, code end
  return nil, M.fail(settings, asked, result, code, ...)
end

--- Starts it.
---@param core table the C half
---@param settings table as options.read gives it
---@param asked engine.http.Asked
---@param deadline number on the clock of engine.timer
---@return table? transfer see transfer.h, string? message, string? code
function M.start(core, settings, asked, deadline)
  local proxy = not settings.unix_socket and proxies.find(asked.url.scheme, asked.url.host) or nil
  local known
  local host, port = find_name(core, settings, asked.url, proxy)
  asked.has_proxy = proxy ~= nil
  if host then
    local message, code
    known, message, code = look_up(host, port, math.max(0.001, deadline - timer.now()))
    if not known then return nil, M.label(asked, message), code end
  end
  local seconds = math.max(0.001, deadline - timer.now())
  local list = plan.lay_out(core, settings, asked, proxy, known)
  return read_start(settings, asked, core.start(list, seconds, settings.max_body or BUFFER, settings.idle_timeout))
end

--- The message and code of what a transfer gave instead of an answer.
---@return string message, string code
function M.fail(settings, asked, result, ...)
  local code = ...
  if type(result) == "string" then return code == "ECANCELED" and result or M.label(asked, result), code end
  local message
  message, code = failure.explain(settings, result, ...)
  return M.label(asked, message), code
end

return M
