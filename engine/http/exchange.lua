-- SPDX-License-Identifier: MIT
--- One request and its answer: names are looked up by engine.dns, failures are put into words that name what was asked.
local dns = require("engine.dns")
local failure = require("engine.http.failure")
local plan = require("engine.http.plan")
local proxies = require("engine.http.proxy")
local timer = require("engine.timer")

local M = {}

local BUFFER = 256 * 1024 -- bytes of a stream that wait to be read at most

---@class engine.http.Asked
---@field url engine.http.Url
---@field method string
---@field body? string
---@field fields engine.http.Field[]
---@field has_identity boolean whether the client's certificate is for this origin
---@field by? string|false what it was asked by: a proxy, a socket

--- Names what was asked in messages.
---@param asked engine.http.Asked
function M.label(asked, message)
  local by = asked.by and (" (by %s)"):format(asked.by) or ""
  return ("%s %s%s: %s"):format(asked.method, asked.url.label, by, message)
end

--- The proxy to ask by.
---@param core table the C half
---@param settings table as options.read gives it
---@param url engine.http.Url
---@return engine.http.Proxy|false|nil proxy false: none; string? message, string? code "EINVAL"
function M.find_proxy(core, settings, url)
  if settings.unix_socket then return false end
  local text, variable = proxies.find(url.scheme, url.host)
  if not text then return false end
  return proxies.read(core, text, variable)
end

local NONE = {}

-- Whose names we have to know: hosts with their ports.
local function list_names(settings, url, proxy)
  local first = proxy or url
  local second = proxy and proxy.is_told_addresses and not url.is_address and url or nil
  if settings.unix_socket or first.is_address and not second then return NONE end
  if first.is_address then return { second } end
  return { first, second }
end

-- As libcurl takes what is known already: for a minute, and not for ever.
local function look_up(place, seconds)
  local found, message, code = dns.addresses(place.host, { timeout = seconds })
  if not found then return nil, message, code end
  local addresses = {}
  for i, each in ipairs(found) do
    addresses[i] = each.address:find(":", 1, true) and "[" .. each.address .. "]" or each.address
  end
  return ("+%s:%d:%s"):format(place.host, place.port, table.concat(addresses, ","))
end

local function seconds_to(deadline) return math.max(0.001, deadline - timer.now()) end

local function look_up_all(places, deadline)
  if places == NONE then return nil end
  local known = {}
  for i, place in ipairs(places) do
    local entry, message, code = look_up(place, seconds_to(deadline))
    if not entry then return nil, message, code end
    known[i] = entry
  end
  return known
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
  local proxy, message, code = M.find_proxy(core, settings, asked.url)
  if proxy == nil then return nil, M.label(asked, message), code end
  asked.by = settings.unix_socket or proxy and "a proxy"
  local known
  known, message, code = look_up_all(list_names(settings, asked.url, proxy), deadline)
  if message then return nil, M.label(asked, message), code end
  local list = plan.lay_out(core, settings, asked, proxy and proxy.text, known)
  return read_start(settings, asked,
    core.start(list, seconds_to(deadline), settings.max_body or BUFFER, settings.idle_timeout))
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
