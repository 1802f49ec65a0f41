-- SPDX-License-Identifier: MIT
--- What is asked of engine.http, checked: wrong types raise, bad values are a result, before anything is started.
local fs = require("engine.fs")
local headers = require("engine.http.headers")
local options = require("engine.options")
local trim = require("engine.trim")

local M = {}

local NONE = {}
local MOST_REDIRECTS = 20
local MAX_TOKEN = 64 * 1024 -- bytes
local MOST_SHOWN = 40 -- bytes of a method

local BOTH = {
  url = { "string" },
  method = { "string", default = "GET" },
  headers = { "table", default = NONE },
  body = { "string" },
  timeout = { "number", default = 10 },
  connect_timeout = { "number", default = 5 },
  ca = { "string" },
  ca_file = { "string" },
  client_cert = { "string" },
  client_key = { "string" },
  verify = { "boolean", default = true },
  unix_socket = { "string" },
  bearer_file = { "string" },
  if_none_match = { "string" },
  follow = { "integer", 0, MOST_REDIRECTS, default = 5 },
}

local function with(...)
  local rules = {}
  for _, each in ipairs({ BOTH, ... }) do
    for name, rule in next, each do rules[name] = rule end
  end
  return rules
end

local OF_REQUEST = { max_body = { "integer", 0, 2 ^ 30, default = 8 * 1024 * 1024 } }
local OF_STREAM = {
  idle_timeout = { "number", default = 300 },
  max_line = { "integer", 1, 2 ^ 30, default = 8 * 1024 * 1024 },
}
local RULES = { request = with(OF_REQUEST), stream = with(OF_STREAM), either = with(OF_REQUEST, OF_STREAM) }

local HEADERS = { bearer_file = "Authorization", if_none_match = "If-None-Match" } -- that options are sent as
local SECONDS = { "timeout", "connect_timeout", "idle_timeout" }
local TEXTS = { "ca_file", "client_cert", "client_key", "unix_socket", "bearer_file" }

local function follow_as_number(given)
  if type(given) ~= "table" or type(rawget(given, "follow")) ~= "boolean" then return given end
  local changed = {}
  for name, value in next, given do changed[name] = value end
  changed.follow = given.follow and BOTH.follow.default or 0
  return changed
end

local function find_wrong_value(settings)
  for _, name in ipairs(SECONDS) do
    local value = settings[name]
    if value and not (value > 0 and value <= 1e6) then
      return ('option "%s": expected seconds above 0 and up to 1e6, found %g'):format(name, value)
    end
  end
  for _, name in ipairs(TEXTS) do
    local value = settings[name]
    if value and (value == "" or value:find("%c")) then
      return ('option "%s": expected text without control characters, found %s'):format(name, value == "" and '""' or "some")
    end
  end
  if settings.method:find("^%u[%u-]*$") then return nil end
  return ('option "method": expected one like GET, found "%s"'):format(settings.method:gsub("%c", "?"):sub(1, MOST_SHOWN))
end

local function find_wrong_pair(settings)
  if settings.client_key and not settings.client_cert then return 'option "client_key": expected client_cert beside it' end
  if settings.ca and settings.ca_file then return "expected ca or ca_file, found both" end
  if settings.method == "HEAD" and settings.body then return 'option "body": expected none beside method = "HEAD"' end
end

--- What is wrong with values that have the right types, or do not go together.
---@return string? message
function M.find_problem(settings)
  if not settings.url then return 'option "url": expected a URL, found none' end
  return find_wrong_value(settings) or find_wrong_pair(settings)
end

--- Reads an option table. Raises for unknown options and wrong types.
---@param kind "request"|"stream"|"either"
---@param given table
---@param level integer whom an error blames, as with `error`
---@return table settings
function M.read(kind, given, level)
  return (options.read(follow_as_number(given), RULES[kind], level)) -- no tail call: the level counts this function
end

local function find_clash(settings, fields, has_user)
  if has_user and (settings.bearer_file or headers.has(fields, "authorization")) then
    return 'user info in the URL: expected none beside bearer_file or the header "Authorization"'
  end
  for option, name in next, HEADERS do
    if settings[option] and headers.has(fields, name:lower()) then
      return ('header "%s": expected none beside the option %s'):format(name, option)
    end
  end
end

--- The header fields of a request, but for a token.
---@param settings table
---@param has_user boolean whether there is user info in the URL
---@return engine.http.Field[]? fields, string? message, string? code "EINVAL"
function M.fields(settings, has_user)
  local fields, message, code = headers.read(settings.headers)
  if not fields then return nil, message, code end
  message = find_clash(settings, fields, has_user)
  if message then return nil, message, "EINVAL" end
  if not settings.if_none_match then return fields end
  local more
  more, message, code = headers.read({ [HEADERS.if_none_match] = settings.if_none_match })
  if not more then return nil, message, code end
  fields[#fields + 1] = more[1]
  return fields
end

local function read_token(path)
  local text, message, code = fs.read(path, { max = MAX_TOKEN })
  if not text then return nil, message, code end
  local token = trim(text)
  if token == "" or token:find("[^\33-\126]") then
    local found = token == "" and "nothing" or "several words, or bytes that are no text"
    return nil, ("bearer_file %s: expected one token, found %s"):format(path, found), "EINVAL"
  end
  return token
end

--- Adds the token, which is read anew each time. May wait.
---@param settings table
---@param fields engine.http.Field[] changed
---@return true? ok, string? message, string? code
function M.add_token(settings, fields)
  if not settings.bearer_file then return true end
  local token, message, code = read_token(settings.bearer_file)
  if not token then return nil, message, code end
  fields[#fields + 1] = { name = HEADERS.bearer_file, value = "Bearer " .. token }
  return true
end

return M
