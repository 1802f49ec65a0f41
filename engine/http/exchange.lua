-- SPDX-License-Identifier: MIT
--- One request and its answer: names are looked up by engine.dns, what libcurl is to do is laid out, its failures are put
--- into words that name what was asked.
local dns = require("engine.dns")
local engine = require("engine")
local failure = require("engine.http.failure")
local headers = require("engine.http.headers")
local hostname = require("engine.dns.hostname")
local log = require("engine.log")
local proxies = require("engine.http.proxy")
local timer = require("engine.timer")

local M = {}

local AGENT = "peerage-lua/" .. engine.version
local HTTP_2_OVER_TLS = 4 -- CURL_HTTP_VERSION_2TLS
local BUFFER = 256 * 1024 -- bytes of a stream that wait to be read at most
local PROXY_PORT = 1080 -- curl's, where none is given
local MAX_TOLD = 100

local told, told_count = {}, 0 -- origins whose certificates are not looked at

---@class engine.http.Asked
---@field url engine.http.Url
---@field method string
---@field body? string
---@field fields engine.http.Field[]
---@field has_identity boolean whether the client's certificate is for this origin

--- Names what was asked in messages.
---@param asked engine.http.Asked
function M.label(asked, message) return ("%s %s: %s"):format(asked.method, asked.url.label, message) end

local function warn_once(origin)
  if told[origin] or told_count == MAX_TOLD then return end
  told[origin], told_count = true, told_count + 1
  log.warn(("%s: its certificate is not checked, since verify is false: anyone may answer in its place"):format(origin))
end

-- What has to be looked up: a host and its port, or nothing.
local function find_name(core, settings, url, proxy)
  if settings.unix_socket then return nil end
  local host, port = url.host, url.port
  if proxy then
    local parsed = core.url(proxy:find("://", 1, true) and proxy or "http://" .. proxy)
    if not parsed or not parsed.host then return nil end
    host, port = parsed.host, proxy:find(":%d+/?$") and parsed.port or PROXY_PORT
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

-- A body that is not there is told, too: "Content-Length: 0".
local function add_method(add, asked)
  local body = asked.body
  if asked.method == "HEAD" and not body then return add("NOBODY", 1) end
  if not body and (asked.method == "POST" or asked.method == "PUT" or asked.method == "PATCH") then body = "" end
  if body then
    add("POSTFIELDSIZE_LARGE", #body)
    add("COPYPOSTFIELDS", body)
  end
  if body or asked.method ~= "GET" then add("CUSTOMREQUEST", asked.method) end
end

-- libcurl would call any body a form's.
local function lines_of(asked)
  local lines = headers.lay_out(asked.fields)
  if not headers.has(asked.fields, "content-type") then lines[#lines + 1] = "Content-Type:" end
  return lines
end

local function add_tls(add, settings, asked)
  if not settings.verify then
    warn_once(asked.url.origin)
    add("SSL_VERIFYPEER", 0)
    add("SSL_VERIFYHOST", 0)
  end
  add("CAINFO_BLOB", settings.ca)
  add("CAINFO", settings.ca_file)
  if not asked.has_identity then return end
  add("SSLCERT", settings.client_cert)
  add("SSLKEY", settings.client_key or settings.client_cert)
end

local function lay_out(core, settings, asked, proxy, known)
  local list = {}
  local function add(name, value)
    if value == nil then return end
    list[#list + 1] = core.numbers[name]
    list[#list + 1] = value
  end
  add("URL", asked.url.whole)
  add("HTTP_VERSION", HTTP_2_OVER_TLS)
  add("USERAGENT", AGENT)
  add("CONNECTTIMEOUT_MS", math.ceil(1000 * settings.connect_timeout))
  add("HTTPHEADER", lines_of(asked))
  add("PROXY", proxy or "")
  add("RESOLVE", known)
  add("UNIX_SOCKET_PATH", settings.unix_socket)
  if settings.idle_timeout then
    add("TCP_KEEPALIVE", 1)
  else
    add("ACCEPT_ENCODING", "")
    if asked.method ~= "HEAD" then add("MAXFILESIZE_LARGE", math.max(1, settings.max_body)) end
  end
  add_method(add, asked)
  if asked.url.scheme == "https" then add_tls(add, settings, asked) end
  return list
end

--- Starts it.
---@param core table the C half
---@param settings table as options.read gives it
---@param asked engine.http.Asked
---@param deadline number on the clock of engine.timer
---@return table? transfer see transfer.h, string? message, string? code
function M.start(core, settings, asked, deadline)
  local proxy, known = proxies.find(asked.url.scheme, asked.url.host), nil
  local host, port = find_name(core, settings, asked.url, proxy)
  if host then
    local message, code
    known, message, code = look_up(host, port, math.max(0.001, deadline - timer.now()))
    if not known then return nil, M.label(asked, message), code end
  end
  local seconds = math.max(0.001, deadline - timer.now())
  local list = lay_out(core, settings, asked, proxy, known)
  local transfer, result, text = core.start(list, seconds, settings.max_body or BUFFER, settings.idle_timeout)
  if transfer or text == "ECANCELED" then return transfer, result, text end
  return nil, M.fail(settings, asked, result, text)
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
