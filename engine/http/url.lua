-- SPDX-License-Identifier: MIT
--- URLs as libcurl reads them, and nobody else: what is checked here is what will be asked.
local hostname = require("engine.dns.hostname")

local M = {}

local HTTP = { "http", "https" }
local EXAMPLE = "expected http or https, a host and a path, as in http://127.0.0.1:8080/nodes"
local MOST_SHOWN = 200 -- bytes

---@class engine.http.Url
---@field whole string without a fragment
---@field label string for messages: neither user info nor what the query says
---@field plain string without user info and query
---@field scheme string "http" or "https", unless others were asked for
---@field host string a name, or an address, in brackets if it is IPv6's
---@field is_address boolean the host is one
---@field port integer? nil where its scheme has none of its own
---@field user? string
---@field origin string what credentials are for

--- What a message may show of a text that cannot be read: who knows which "@" ends a password, or which "?" is in one.
---@param text string
---@return string
function M.veil(text)
  local last, rest = text:match("^.*()@"), text:find("[?#]")
  if last then
    local scheme = text:match("^[Hh][Tt][Tt][Pp][Ss]?://") or ""
    text = scheme .. "…" .. (rest and rest < last and "" or text:sub(last))
  end
  return (text:sub(1, MOST_SHOWN):gsub("([?#]).+", "%1…"):gsub("%c", "?"))
end

local function complain(text, reason) return nil, ('bad url "%s": %s'):format(M.veil(text), reason), "EINVAL" end

local function find_bad_byte(text)
  local at = text:find("[^\33-\126]")
  if not at then return nil end
  local is_in_path = text:sub(1, at):find("^%a[%w+.-]*://[^/?#]*[/?#]")
  return ("byte 0x%02x at %d, expected %s"):format(text:byte(at), at,
    is_in_path and "it percent-encoded" or "printable ASCII: other names of hosts as punycode, xn--…")
end

local function is_among(list, item)
  for _, each in ipairs(list) do
    if each == item then return true end
  end
  return false
end

local function check(url, schemes)
  if not is_among(schemes, url.scheme) then
    return ('expected %s, found "%s"'):format(table.concat(schemes, " or "), url.scheme)
  end
  if not url.host then return "expected a host" end
  if url.port and url.port < 1 then return "expected a port from 1 to 65535, found 0" end
  if url.host:sub(1, 1) == "[" then return nil end
  return hostname.parse(url.host).problem
end

--- Reads one.
---@param core table the C half
---@param text string
---@param schemes string[] those that will do
---@param base? string what it may be relative to
---@return engine.http.Url? url, string? message, string? code "EINVAL"
function M.read(core, text, schemes, base)
  local problem = find_bad_byte(text)
  if problem then return complain(text, problem) end
  if not base and not text:find("^%a[%w+.-]*://[^/?#]") then
    return complain(text, schemes == HTTP and EXAMPLE or "expected a host")
  end
  local parsed, reason = core.url(text, base)
  if not parsed then return complain(text, (reason:gsub("^%u", string.lower))) end
  parsed.port = tonumber(parsed.port)
  problem = check(parsed, schemes)
  if problem then return complain(text, problem) end
  parsed.host = parsed.host:lower()
  parsed.is_address = parsed.host:sub(1, 1) == "[" or hostname.parse(parsed.host).address ~= nil
  parsed.label = parsed.plain .. (parsed.query and "?…" or "")
  parsed.origin = ("%s://%s:%d"):format(parsed.scheme, parsed.host, parsed.port or 0)
  return parsed
end

--- The same URL with the user info of another one. Changes it.
---@param url engine.http.Url
---@param other engine.http.Url
function M.take_user(url, other)
  local info = other.whole:match("^[^/]*//([^/?#]*@)")
  url.user, url.whole = other.user, url.whole:gsub("^[^/]*//", function(start) return start .. (info or "") end)
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

--- Reads one of HTTP.
---@param core table the C half
---@param text string
---@param base? string what it may be relative to
---@return engine.http.Url? url one and the same for the same text, without a base; string? message, string? code "EINVAL"
function M.parse(core, text, base)
  if base then return M.read(core, text, HTTP, base) end
  if known[text] then return known[text] end
  local url, message, code = M.read(core, text, HTTP)
  if not url then return nil, message, code end
  return remember(text, url)
end

return M
