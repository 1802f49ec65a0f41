-- SPDX-License-Identifier: MIT
--- Proxies, from the environment as curl reads it: http_proxy, https_proxy, all_proxy, no_proxy. HTTP_PROXY does not
--- count: a web server that runs a CGI program sets it from a header of whoever asks.
local bit = require("bit")
local literal = require("engine.dns.core").literal
local urls = require("engine.http.url")

local M = {}

local SCHEMES = { "http", "https", "socks4", "socks4a", "socks5", "socks5h" }
local TOLD_ADDRESSES = { socks4 = true, socks5 = true } -- the others look names up themselves
local PORTS = { https = 443, other = 1080 } -- curl's, where none is given

local function groups_of(text)
  local groups = {}
  for group in text:gmatch("%x+") do groups[#groups + 1] = tonumber(group, 16) end
  return groups
end

-- As 16-bit words: two of IPv4, eight of IPv6.
local function words_of(address)
  local a, b, c, d = address:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if a then return { a * 256 + b, c * 256 + d } end
  a, b, c, d = address:match(":(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if a then address = address:gsub(":[%d.]+$", (":%x:%x"):format(a * 256 + b, c * 256 + d)) end
  local before, after = address:match("^(.-)::(.*)$")
  if not before then return groups_of(address) end
  local head, tail = groups_of(before), groups_of(after)
  for _ = 1, 8 - #head - #tail do head[#head + 1] = 0 end
  for _, word in ipairs(tail) do head[#head + 1] = word end
  return head
end

local function is_in_network(address, entry)
  local network, bits = entry:match("^(.*)/(%d+)$")
  network = literal((network or entry):gsub("[%[%]]", ""), nil)
  if not network then return false end
  local ours, theirs = words_of(address), words_of(network)
  bits = bits and tonumber(bits) or 16 * #theirs
  if #ours ~= #theirs or bits > 16 * #theirs then return false end
  for i = 1, #theirs do
    local free = math.max(0, math.min(16, 16 * i - bits))
    if bit.rshift(ours[i], free) ~= bit.rshift(theirs[i], free) then return false end
  end
  return true
end

local function is_below(host, entry)
  local domain = entry:gsub("^%.", ""):gsub("%.$", "")
  return domain ~= "" and (host == domain or host:sub(-#domain - 1) == "." .. domain)
end

local function is_exempt(host, list)
  local name = host:gsub("[%[%]]", ""):gsub("%.$", "")
  local address = literal(name)
  for entry in list:lower():gmatch("[^%s,]+") do
    if entry == "*" then return true end
    if address and is_in_network(address, entry) or not address and is_below(name, entry) then return true end
  end
  return false
end

local PROXIES = { http = { "http_proxy", "all_proxy", "ALL_PROXY" }, https = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" } }
local EXEMPT = { "no_proxy", "NO_PROXY" }

-- The first of these variables that says something, and its name.
local function read_first(getenv, names)
  for i = 1, #names do
    local value = getenv(names[i])
    if value and value ~= "" then return value, names[i] end
  end
end

-- The environment stays as it is, and is looked through from its start for each variable.
local known = {}

local function own_getenv(name)
  local value = known[name]
  if value == nil then
    value = os.getenv(name) or ""
    known[name] = value
  end
  return value
end

--- The proxy through which a host is asked.
---@param scheme "http"|"https"
---@param host string as in engine.http.Url
---@param getenv? fun(name: string): string? for specs; os.getenv
---@return string? proxy as it is written, string? variable where
function M.find(scheme, host, getenv)
  getenv = getenv or own_getenv
  local proxy, variable = read_first(getenv, PROXIES[scheme])
  if not proxy or is_exempt(host, read_first(getenv, EXEMPT) or "") then return nil end
  return proxy, variable
end

---@class engine.http.Proxy
---@field text string as libcurl takes it
---@field host string
---@field port integer
---@field is_address boolean the host is one
---@field is_told_addresses boolean it is told the address of whom we ask, and not the name

--- Reads what stands in a variable.
---@param core table the C half
---@param text string
---@param variable string for messages
---@return engine.http.Proxy? proxy, string? message, string? code "EINVAL"
function M.read(core, text, variable)
  local whole = text:find("://", 1, true) and text or "http://" .. text
  local url, message, code = urls.read(core, whole, SCHEMES)
  if not url then return nil, variable .. ": " .. message, code end
  local port = url.plain:match("^[^/]*//[^/]*:(%d+)%f[/%z]") or PORTS[url.scheme] or PORTS.other
  return {
    text = whole, host = url.host, port = tonumber(port), is_address = url.is_address,
    is_told_addresses = TOLD_ADDRESSES[url.scheme] or false,
  }
end

return M
