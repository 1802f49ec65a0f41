-- SPDX-License-Identifier: MIT
--- Where an EPMD listens, and which of those who come are on this host.
--- Invariant: of several who try to listen on one port, exactly one gets the first address.
local fs = require("engine.fs")
local net = require("engine.net")
local tcp = require("engine.tcp")

local M = {}

local function is_loopback(host) return host == "::1" or host:find("^127%.") ~= nil end

-- "::" takes IPv4, too, unless the system says otherwise; then "0.0.0.0" is for hosts without IPv6.
local function everywhere()
  local v6_only = fs.read("/proc/sys/net/ipv6/bindv6only")
  if v6_only and v6_only:find("^1") then return { "0.0.0.0", "::" } end
  return { "::", "0.0.0.0" }
end

-- As with OTP's epmd: a list with commas or spaces, to which the loopback addresses are added unless it has them.
local function only(text)
  local list, has = {}, {}
  local function add(host)
    if not has[host] then list[#list + 1] = host end
    has[host] = true
  end
  local has_any = (" " .. text:gsub(",", " ") .. " "):find(" [0:.]+ ")
  if not has_any then
    add("127.0.0.1")
    add("::1")
  end
  for host in text:gmatch("[^ ,]+") do add(host) end
  return list
end

--- Listens on one port of all addresses, or of those in ERL_EPMD_ADDRESS and the loopback ones. Waits.
---@param port integer
---@param log engine.log.logger told of those in ERL_EPMD_ADDRESS that it cannot listen on
---@return engine.tcp.Listener[]|nil listeners at least one
---@return string? message
---@return string? code "EADDRINUSE": another one listens there
function M.listen(port, log)
  local text = os.getenv("ERL_EPMD_ADDRESS") or ""
  local is_restricted = text:find("[^ ,]") ~= nil
  local listeners, first_message, first_code = {}, nil, nil
  for _, host in ipairs(is_restricted and only(text) or everywhere()) do
    local listener, message, code = tcp.listen({ host = host, port = port })
    if listener then
      listeners[#listeners + 1] = listener
      if port == 0 then port = select(2, listener:address()) end
    elseif #listeners == 0 and code == "EADDRINUSE" then
      return nil, message, code
    elseif is_restricted and host ~= "::1" then
      log.warn("epmd is not served on an address in ERL_EPMD_ADDRESS: " .. message)
    end
    first_message, first_code = first_message or message, first_code or code
  end
  if #listeners == 0 then return nil, first_message, first_code end
  return listeners
end

-- IPv4 through an IPv6 socket.
local function plain(host) return host and host:match("^::ffff:(%d+%.%d+%.%d+%.%d+)$") or host end

--- Who is at the other end.
---@param stream engine.tcp.Stream
---@return string|nil host nil: it is gone
function M.peer(stream) return plain((stream:peer())) end

--- Whether the other end is on this host.
---@param stream engine.tcp.Stream
---@return boolean
function M.is_local(stream)
  local host = M.peer(stream)
  if not host then return false end
  return is_loopback(host) or host == plain((stream:address())) or net.has_address(host)
end

return M
