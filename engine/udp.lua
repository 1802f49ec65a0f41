-- SPDX-License-Identifier: MIT
--- UDP sockets: the Lua half, for options, and for the interfaces on which a group is joined and sent to.
local core = require("engine.udp.core")
local net = require("engine.net")
local options = require("engine.options")

local M = {}

local Socket = core.methods
local member, transmit = Socket.member, Socket.send
Socket.member = nil

local OPTIONS = {
  host = { "string" },
  port = { "integer", 0, 65535, default = 0 },
  reuse = { "boolean" },
  broadcast = { "boolean" },
  multicast = { "table" },
  receive_buffer = { "integer", 0, 2 ^ 30 },
  max_size = { "integer", 1, 65535, default = 2048 },
}

local GROUP_OPTIONS = {
  group = { "string" },
  interfaces = { "table" },
  ttl = { "integer", 0, 255, default = 1 },
  loop = { "boolean", default = true },
  only = { "boolean" },
}

-- The group of each socket that has one: its address, family, and the entries of the interfaces that are joined.
local groups = setmetatable({}, { __mode = "k" })

local function family_of(address) return address:find(":", 1, true) and "inet6" or "inet" end

local function is_group(address)
  local first = tonumber(address:match("^(%d+)%."))
  return first and first >= 224 and first <= 239 or address:find("^ff%x%x:") ~= nil
end

local function check_interfaces(list, level)
  if list ~= nil and type(list) ~= "table" then
    error("interfaces: expected a list, found a " .. type(list), level + 1)
  end
  for _, each in ipairs(list or {}) do
    if type(each) ~= "string" and type(each) ~= "number" then
      error("interfaces: expected names, indexes or addresses, found a " .. type(each), level + 1)
    end
  end
end

local function read_options(given)
  local settings = options.read(given, OPTIONS, 3)
  local multicast = options.read(settings.multicast, GROUP_OPTIONS, 3)
  settings.ttl, settings.loop, settings.only = multicast.ttl, multicast.loop, multicast.only
  if not settings.multicast then return settings end
  if not multicast.group then error('option "multicast": expected a group in it', 3) end
  check_interfaces(multicast.interfaces, 3)
  return settings, multicast
end

local function read_group(text, host)
  local address, message, code = core.canonical(text)
  if not address then return nil, message, code end
  if not is_group(address) then
    return nil, "expected a group, 224.0.0.0 to 239.255.255.255 or in ff00::/8, found " .. text, "EINVAL"
  end
  local family = family_of(address)
  if host and family_of(host) ~= family then
    return nil, ("group %s and host %s are of different families"):format(text, host), "EINVAL"
  end
  return { address = address, family = family, joined = {} }
end

--- Opens a socket that belongs to the running task's scope. Raises for unknown options and wrong types.
---@param given? engine.udp.Options
---@return engine.udp.Socket? socket
---@return string? message
---@return string? code as in the stub
function M.open(given)
  local settings, multicast = read_options(given)
  local group, message, code
  if multicast then
    group, message, code = read_group(multicast.group, settings.host)
    if not group then return nil, message, code end
  end
  settings.host = settings.host or group and group.family == "inet6" and "::" or "0.0.0.0"
  local socket
  socket, message, code = core.open(settings)
  if not socket or not group then return socket, message, code end
  groups[socket] = group
  local names
  names, message, code = socket:join(multicast.interfaces)
  if names then return socket end
  socket:close()
  return nil, message, code
end

local function group_of(socket, level)
  return groups[socket] or error("this socket has no group: open it with the option \"multicast\"", level + 1)
end

-- What is wanted of an interface, as a question.
local function wanting(list)
  local wanted = {}
  for _, each in ipairs(list) do wanted[tostring(each)] = true end
  return function(entry) return wanted[entry.name] or wanted[tostring(entry.index)] or wanted[entry.address] end
end

local function can_multicast(entry) return entry.multicast and not entry.loopback end
local function is_loopback(entry) return entry.loopback end

-- The first entry of each interface that is up and suits, in their order.
local function choose(entries, family, suits)
  local chosen, seen = {}, {}
  for _, entry in ipairs(entries) do
    if entry.up and entry.family == family and not seen[entry.index] and suits(entry) then
      seen[entry.index] = true
      chosen[#chosen + 1] = entry
    end
  end
  return chosen, seen
end

-- What is joined for `interfaces`: all that can multicast, where none are named, else the loopback one.
local function choose_for(entries, family, interfaces)
  if interfaces and interfaces[1] then return choose(entries, family, wanting(interfaces)) end
  local chosen, is_chosen = choose(entries, family, can_multicast)
  if chosen[1] then return chosen, is_chosen end
  return choose(entries, family, is_loopback)
end

-- Leaves what is not chosen and joins what is new. Gives the last failure.
local function change(socket, group, chosen, is_chosen)
  local is_joined, failure = {}, nil
  for _, entry in ipairs(group.joined) do
    is_joined[entry.index] = true
    if not is_chosen[entry.index] then member(socket, group.address, entry.index, false) end
  end
  group.joined = {}
  for _, entry in ipairs(chosen) do
    local ok, reason, code = is_joined[entry.index], nil, nil
    if not ok then
      ok, reason, code = member(socket, group.address, entry.index, true)
    end
    if ok then
      group.joined[#group.joined + 1] = entry
    else
      failure = { interface = entry.name, reason = reason, code = code }
    end
  end
  return failure
end

--- Lists the interfaces anew, joins the group on new ones and leaves it on those that are gone.
---@param interfaces? (string|integer)[] as the option
---@return string[]? names of those that are joined now
---@return string? message why one could not be joined, though others could; or why none could
---@return string? code
function Socket:join(interfaces)
  check_interfaces(interfaces, 2)
  local group, host, message, code = group_of(self, 2), self:address()
  if not host then return nil, message, code end
  local entries
  entries, message, code = net.interfaces()
  if not entries then return nil, message, code end
  local names, failure = {}, change(self, group, choose_for(entries, group.family, interfaces))
  for i, entry in ipairs(group.joined) do names[i] = entry.name end
  if names[1] and not failure then return names end
  local wanted = interfaces and interfaces[1] or "any interface"
  failure = failure or { interface = wanted, reason = "no such device", code = "ENODEV" }
  message = ("cannot join %s on %s: %s"):format(group.address, failure.interface, failure.reason)
  if names[1] then return names, message end
  return nil, message, failure.code
end

--- The group in its one canonical spelling. Raises without the option `multicast`.
---@return string
function Socket:group() return group_of(self, 2).address end

local function refuse_unjoined(socket, data, host, port)
  local open, message, code = socket:address()
  if not open then return nil, message, code end
  message = "cannot send %d bytes to %s:%d: the group is joined on no interface"
  return nil, message:format(#data, host, port), "ENODEV"
end

--- Sends one datagram, now; to the socket's own group once on each joined interface.
---@param data string
---@param host string an address literal
---@param port integer
---@return true? ok
---@return string? message
---@return string? code
function Socket:send(data, host, port)
  local group = groups[self]
  if not group or host ~= group.address and core.canonical(host) ~= group.address then
    return transmit(self, data, host, port)
  end
  if not group.joined[1] then return refuse_unjoined(self, data, host, port) end
  local is_sent, message, code
  for _, entry in ipairs(group.joined) do
    local ok
    ok, message, code = transmit(self, data, host, port, entry.index, entry.address)
    is_sent = is_sent or ok
  end
  if is_sent then return true end
  return nil, message, code
end

--- Waits for one datagram. As in the stub.
function Socket:receive() return self:messages()() end

return M
