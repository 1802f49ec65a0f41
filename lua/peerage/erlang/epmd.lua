-- SPDX-License-Identifier: MIT
--- Asks EPMD, Erlang's port mapper: for a node's port, for all names, to register one.
--- Invariant: each question is a connection of its own, with one limit in time for all of it.
local describe = require("peerage.describe")
local messages = require("peerage.erlang.epmd.messages")
local scopes = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")

local M = {}

local PORT = 4369 -- assigned by IANA
local TIMEOUT = 5 -- seconds
local MAX_NAMES = 2 ^ 20 -- bytes of a list of names

---@class peerage.EpmdOptions
---@field port integer|nil default: ERL_EPMD_PORT or 4369
---@field timeout number|nil seconds; default 5, at most nine tenths of what the task's scope has left

--- The port of EPMD, on all hosts.
---@return integer|nil port
---@return string? message
---@return string? code "EINVAL": ERL_EPMD_PORT is no port
function M.default_port()
  local text = os.getenv("ERL_EPMD_PORT")
  if not text or text == "" then return PORT end
  local port = text:match("^%d+$") and tonumber(text)
  if port and port >= 1 and port <= 65535 then return port end
  return nil, ("the environment variable ERL_EPMD_PORT is %s, expected a port from 1 to 65535"):format(describe.text(text)), "EINVAL"
end

--- Where an EPMD is, for messages.
---@param host string
---@param port integer
---@return string
function M.label(host, port) return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port) end

-- The name of the host was not found: that says nothing of the node's.
local HOST_CODES = { ENOTFOUND = "EHOSTUNREACH", ENODATA = "EHOSTUNREACH" }

local function talk(address, request, read_reply)
  local stream, message, code = tcp.connect(address)
  if not stream then return nil, message:gsub("^cannot .-: ", ""), HOST_CODES[code] or code end
  local ok, reply
  ok, message, code = stream:write(request)
  if ok then
    reply, message, code = read_reply(function(count) return stream:read(count) end)
  end
  if reply then return reply, stream end
  stream:close()
  if code == "EOF" then message = "closed before the end of its answer" end
  return nil, message, code
end

-- The reply and the open stream; or nil, a message that names the EPMD, and a code.
local function ask(host, options, request, read_reply)
  local port, why, why_code = options.port
  if not port then port, why, why_code = M.default_port() end
  if not port then return nil, why, why_code end
  local seconds = scopes.timeout(options.timeout or TIMEOUT)
  local address = { host = host, port = port, timeout = seconds }
  local reply, stream, code = task.timeout(seconds, talk, address, request, read_reply)
  if reply then return reply, stream end
  return nil, ("epmd at %s: %s"):format(M.label(host, port), stream), code
end

local function check_name(name)
  if type(name) == "string" and #name >= 1 and #name <= messages.MAX_NAME then return end
  error(("expected a name of 1 to %d bytes, found %s"):format(messages.MAX_NAME, tostring(name)), 3)
end

--- Asks at which port a node listens. Waits.
---@param name string the part of its name before the @
---@param host string a name or an address
---@param options peerage.EpmdOptions|nil
---@return integer|nil port
---@return string? message
---@return string? code "ENOTFOUND": that EPMD does not know the name; "EPROTO": no answer that can be used; else the
---  connection's, where "EHOSTUNREACH" is also a host that no DNS server knows
function M.port_of(name, host, options)
  check_name(name)
  local entry, stream, code = ask(host, options or {}, messages.port_please(name), messages.read_port_reply)
  if not entry then return nil, stream, code end
  stream:close()
  if entry.port == 0 then return nil, name .. " is registered with port 0, expected 1 to 65535", "EPROTO" end
  if entry.low > messages.VERSION or entry.high < messages.VERSION then
    return nil, ("%s speaks version %d to %d of the distribution protocol, expected %d (OTP 23 or newer)"):format(
      name, entry.low, entry.high, messages.VERSION), "EPROTO"
  end
  return entry.port
end

local function read_names(take)
  local port, message, code = take(4)
  if not port then return nil, message, code end
  local parts, size = {}, 0
  while true do
    local part
    part, message, code = take()
    if code == "EOF" then return messages.read_names(table.concat(parts)) end
    if not part then return nil, message, code end
    size = size + #part
    if size > MAX_NAMES then return nil, ("its list of names is longer than %d bytes"):format(MAX_NAMES), "EMSGSIZE" end
    parts[#parts + 1] = part
  end
end

--- Asks for all names. Waits.
---@param host string a name or an address
---@param options peerage.EpmdOptions|nil
---@return { name: string, port: integer }[]|nil nodes
---@return string? message
---@return string? code
function M.names(host, options)
  local nodes, stream, code = ask(host, options or {}, messages.names(), read_names)
  if not nodes then return nil, stream, code end
  stream:close()
  return nodes
end

--- Registers a name with the EPMD of this host, for as long as the stream is open. Waits.
---@param node { name: string, port: integer, hidden: boolean|nil } name: the part before the @
---@param options peerage.EpmdOptions|nil
---@return engine.tcp.Stream|nil stream the caller's
---@return integer|string creation that EPMD gave, or a message
---@return string? code "EEXIST": the name is in use; "EPROTO"; else the connection's
function M.register(node, options)
  check_name(node.name)
  local creation, stream, code = ask("127.0.0.1", options or {}, messages.alive(node), messages.read_alive_reply)
  if not creation then return nil, stream, code end
  return stream, creation
end

return M
