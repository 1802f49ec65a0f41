-- SPDX-License-Identifier: MIT
--- What is asked of engine.http, checked: wrong types raise, bad values are a result, before anything is started.
local fs = require("engine.fs")
local headers = require("engine.http.headers")
local options = require("engine.options")

local M = {}

local NONE = {}
local MOST_REDIRECTS = 20
local MAX_TOKEN = 64 * 1024 -- bytes

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

local function with(more)
  local rules = {}
  for name, rule in next, BOTH do rules[name] = rule end
  for name, rule in next, more do rules[name] = rule end
  return rules
end

local RULES = {
  request = with({ max_body = { "integer", 0, 2 ^ 30, default = 8 * 1024 * 1024 } }),
  stream = with({
    idle_timeout = { "number", default = 300 },
    max_line = { "integer", 1, 2 ^ 30, default = 8 * 1024 * 1024 },
  }),
}

local SECONDS = { "timeout", "connect_timeout", "idle_timeout" }
local TEXTS = { "method", "ca_file", "client_cert", "client_key", "unix_socket", "bearer_file" }

local function follow_as_number(given)
  if type(given) ~= "table" or type(rawget(given, "follow")) ~= "boolean" then return given end
  local changed = {}
  for name, value in next, given do changed[name] = value end
  changed.follow = given.follow and BOTH.follow.default or 0
  return changed
end

local function check(settings, level)
  if not settings.url then error('option "url": expected a URL, found none', level) end
  for _, name in ipairs(SECONDS) do
    local value = settings[name]
    if value and not (value > 0 and value <= 1e6) then
      error(('option "%s": expected seconds above 0 and up to 1e6, found %g'):format(name, value), level)
    end
  end
  for _, name in ipairs(TEXTS) do
    local value = settings[name]
    if value and (value == "" or value:find("%c")) then
      error(('option "%s": expected text without control characters, found %s'):format(name, value == "" and '""' or "some"), level)
    end
  end
  if not settings.method:find("^%u[%u-]*$") then
    error(('option "method": expected one like GET, found "%s"'):format(settings.method), level)
  end
  if settings.client_key and not settings.client_cert then
    error('option "client_key": expected client_cert beside it', level)
  end
  if settings.ca and settings.ca_file then error("expected ca or ca_file, found both", level) end
end

--- Reads an option table. Raises for a wrong call.
---@param kind "request"|"stream"
---@param given table
---@param level integer whom an error blames, as with `error`
---@return table settings
function M.read(kind, given, level)
  local settings = options.read(follow_as_number(given), RULES[kind], level)
  check(settings, level + 1)
  return settings
end

local function read_token(path)
  local text, message, code = fs.read(path, { max = MAX_TOKEN })
  if not text then return nil, message, code end
  local token = text:match("^%s*(.-)%s*$")
  if token == "" or token:find("[^\33-\126]") then
    local found = token == "" and "nothing" or "several words, or bytes that are no text"
    return nil, ("bearer_file %s: expected one token, found %s"):format(path, found), "EINVAL"
  end
  return token
end

--- The header fields of a request; a token is read anew each time. May wait.
---@return engine.http.Field[]? fields, string? message, string? code
function M.fields(settings)
  if settings.headers == NONE and not settings.if_none_match and not settings.bearer_file then return NONE end
  local fields, message, code = headers.read(settings.headers)
  if not fields then return nil, message, code end
  local more = { ["If-None-Match"] = settings.if_none_match }
  if settings.bearer_file then
    local token
    token, message, code = read_token(settings.bearer_file)
    if not token then return nil, message, code end
    more.Authorization = "Bearer " .. token
  end
  more, message, code = headers.read(more)
  if not more then return nil, message, code end
  for _, field in ipairs(more) do fields[#fields + 1] = field end
  return fields
end

return M
