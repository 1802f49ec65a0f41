-- SPDX-License-Identifier: MIT
--- URLs as libcurl reads them, and nobody else: what is checked here is what will be asked.
local hostname = require("engine.dns.hostname")

local M = {}

local SCHEMES = { http = true, https = true }

---@class engine.http.Url
---@field whole string without a fragment
---@field label string for messages: neither user info nor what the query says
---@field scheme "http"|"https"
---@field host string a name, or an address, in brackets if it is IPv6's
---@field port integer
---@field user? string
---@field origin string what credentials are for

-- User info and query may be secrets, also in what cannot be read.
local function veil(text) return (text:gsub("//[^/?#]*@", "//"):gsub("%?.*", "?…"):gsub("%c", "?")) end

local function complain(text, reason) return nil, ('bad url "%s": %s'):format(veil(text):sub(1, 200), reason), "EINVAL" end

local function find_bad_byte(text)
  local at = text:find("[^\33-\126]")
  if at then return ("byte 0x%02x at %d, expected it percent-encoded"):format(text:byte(at), at) end
end

local function check(url)
  if not SCHEMES[url.scheme] then return ('expected http or https, found "%s"'):format(url.scheme) end
  if not url.host then return "expected a host" end
  if url.port < 1 then return "expected a port from 1 to 65535, found 0" end
  if url.host:sub(1, 1) == "[" then return nil end
  return hostname.parse(url.host).problem
end

local MAX_KNOWN = 64
local known, count = {}, 0 -- the same few are asked again and again

local function remember(text, url)
  if count == MAX_KNOWN then
    known, count = {}, 0
  end
  if #text <= 1024 then
    known[text], count = url, count + 1
  end
  return url
end

--- Reads one.
---@param core table the C half
---@param text string
---@param base? string what it may be relative to
---@return engine.http.Url? url one and the same for the same text, string? message, string? code "EINVAL"
function M.parse(core, text, base)
  if not base and known[text] then return known[text] end
  local problem = find_bad_byte(text)
  if problem then return complain(text, problem) end
  if not base and not text:find("^%a[%w+.-]*://[^/?#]") then
    return complain(text, "expected http or https, a host and a path, as in http://127.0.0.1:8080/nodes")
  end
  local parsed, reason = core.url(text, base)
  if not parsed then return complain(text, (reason:gsub("^%u", string.lower))) end
  parsed.port = tonumber(parsed.port)
  problem = check(parsed)
  if problem then return complain(text, problem) end
  parsed.host = parsed.host:lower()
  parsed.label = parsed.plain .. (parsed.query and "?…" or "")
  parsed.origin = ("%s://%s:%d"):format(parsed.scheme, parsed.host, parsed.port)
  return base and parsed or remember(text, parsed)
end

return M
