-- SPDX-License-Identifier: MIT
--- What libcurl is told of one request: its options and their values, curl_easy_setopt(3). Invariant: what no option here
--- says is as libcurl has it by default, or as transfer.c sets it for all.
local coding = require("engine.http.coding")
local engine = require("engine")
local headers = require("engine.http.headers")
local log = require("engine.log")
local new_table = require("table.new") -- LuaJIT's: one that need not grow

local M = {}

local AGENT = "peerage-lua/" .. engine.version
local ACCEPT_ENCODING = "Accept-Encoding: " .. coding.ACCEPTED
local HTTP_2_OVER_TLS = 4 -- CURL_HTTP_VERSION_2TLS
local ROOM = 24 -- options and values that most requests have
local MAX_TOLD = 100

local told, told_count = {}, 0 -- origins whose certificates are not looked at

local function warn_once(origin)
  if told[origin] or told_count == MAX_TOLD then return end
  told[origin], told_count = true, told_count + 1
  log.warn(("%s: its certificate is not checked, since verify is false: anyone may answer in its place"):format(origin))
end

-- Of these a body that is not there is told, too: "Content-Length: 0".
local HAVE_BODY = { POST = true, PUT = true, PATCH = true }

local function has_body(asked) return asked.body or HAVE_BODY[asked.method] end

-- Of a stream nothing is asked for packed: it would come late.
local function may_be_packed(settings, asked)
  return not settings.idle_timeout and asked.method ~= "HEAD" and not headers.has(asked.fields, "accept-encoding")
end

-- libcurl would call any body a form's, and wait a second for leave to send a large one.
local function lines_of(settings, asked)
  local fields = asked.fields
  local lines = headers.lay_out(fields)
  if has_body(asked) then
    if not headers.has(fields, "content-type") then lines[#lines + 1] = "Content-Type:" end
    if not headers.has(fields, "expect") then lines[#lines + 1] = "Expect:" end
  end
  if may_be_packed(settings, asked) then lines[#lines + 1] = ACCEPT_ENCODING end
  return lines[1] and lines
end

---@class engine.http.Plan
---@field private numbers table<string, integer>
---@field private size integer
local Plan = {}
local plan_class = { __index = Plan }

local function new_plan(core)
  local plan = new_table(ROOM, 2)
  plan.numbers, plan.size = core.numbers, 0
  return setmetatable(plan, plan_class)
end

function Plan:add(name, value)
  if not value then return end
  local size = self.size
  self[size + 1], self[size + 2] = self.numbers[name], value
  self.size = size + 2
end

function Plan:add_method(asked)
  local method = asked.method
  if method == "HEAD" and not asked.body then return self:add("NOBODY", 1) end
  if has_body(asked) then
    local body = asked.body or ""
    self:add("POSTFIELDSIZE_LARGE", #body)
    self:add("COPYPOSTFIELDS", body)
    self:add("CUSTOMREQUEST", method)
  elseif method ~= "GET" then
    self:add("CUSTOMREQUEST", method)
  end
end

function Plan:add_tls(settings, asked)
  if not settings.verify then
    warn_once(asked.url.origin)
    self:add("SSL_VERIFYPEER", 0)
    self:add("SSL_VERIFYHOST", 0)
  end
  self:add("CAINFO_BLOB", settings.ca)
  self:add("CAINFO", settings.ca_file)
  if not (asked.has_identity and settings.client_cert) then return end
  self:add("SSLCERT", settings.client_cert)
  self:add("SSLKEY", settings.client_key or settings.client_cert)
  self:add("KEYPASSWD", "") -- else OpenSSL would ask on a terminal
end

function Plan:add_limits(settings, asked)
  self:add("CONNECTTIMEOUT_MS", math.ceil(1000 * settings.connect_timeout))
  if settings.idle_timeout then return self:add("TCP_KEEPALIVE", 1) end
  if asked.method ~= "HEAD" then self:add("MAXFILESIZE_LARGE", math.max(1, settings.max_body)) end
end

--- Lays one request out.
---@param core table the C half
---@param settings table as options.read gives it
---@param asked engine.http.Asked
---@param proxy? string
---@param known? string[] names and their addresses, as CURLOPT_RESOLVE takes them
---@return engine.http.Plan plan the numbers of options, each followed by its value
function M.lay_out(core, settings, asked, proxy, known)
  local plan = new_plan(core)
  plan:add("URL", asked.url.whole)
  plan:add("HTTP_VERSION", HTTP_2_OVER_TLS)
  plan:add("USERAGENT", AGENT)
  plan:add("HTTPHEADER", lines_of(settings, asked))
  plan:add("PROXY", proxy or "")
  plan:add("RESOLVE", known)
  plan:add("UNIX_SOCKET_PATH", settings.unix_socket)
  plan:add_limits(settings, asked)
  plan:add_method(asked)
  if asked.url.scheme == "https" then plan:add_tls(settings, asked) end
  return plan
end

return M
