-- SPDX-License-Identifier: MIT
--- Proxies, from the environment as curl reads it: http_proxy, https_proxy, all_proxy, no_proxy. HTTP_PROXY does not
--- count: a web server that runs a CGI program sets it from a header of whoever asks.
local bit = require("bit")
local literal = require("engine.dns.core").literal

local M = {}

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

local function variable(getenv, name)
  local value = getenv(name)
  return value ~= "" and value or nil
end

--- The proxy through which a host is asked.
---@param scheme "http"|"https"
---@param host string as in engine.http.Url
---@param getenv? fun(name: string): string? for specs; os.getenv
---@return string? proxy as libcurl takes it
function M.find(scheme, host, getenv)
  getenv = getenv or os.getenv
  local proxy = variable(getenv, scheme .. "_proxy") or scheme == "https" and variable(getenv, "HTTPS_PROXY")
    or variable(getenv, "all_proxy") or variable(getenv, "ALL_PROXY")
  if not proxy then return nil end
  local exempt = variable(getenv, "no_proxy") or variable(getenv, "NO_PROXY") or ""
  return not is_exempt(host, exempt) and proxy or nil
end

return M
