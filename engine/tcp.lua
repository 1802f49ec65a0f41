-- SPDX-License-Identifier: MIT
--- TCP and Unix sockets: the Lua half, for options and names, for time limits, and for accepting when descriptors have
--- run out.
local core = require("engine.tcp.core")
local dns = require("engine.dns")
local hostname = require("engine.dns.hostname")
local limit = require("engine.scope").timeout
local log = require("engine.log")
local options = require("engine.options")
local streams = require("engine.stream")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

local PAUSE = 0.1 -- seconds after which a connection that could not be accepted is tried again

local function option_rules(more)
  local rules = {
    host = { "string" },
    port = { "integer", 0, 65535 },
    path = { "string" },
    nodelay = { "boolean", default = true },
    keepalive = { "integer", 1, 32767, default = 0 },
    user_timeout = { "integer", 1, 86400, default = 0 },
  }
  for name, rule in pairs(more) do rules[name] = rule end
  return rules
end

local CONNECT_OPTIONS = option_rules({ timeout = { "number", default = 5 } })
local LISTEN_OPTIONS = option_rules({ backlog = { "integer", 1, 65535, default = 4096 } })

local function print_label(host, port)
  if not port then return host end
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

local function check_text(name, text)
  if text and (text == "" or text:find("%z")) then
    local found = text == "" and '""' or "some"
    error(('option "%s": expected text without zero bytes, found %s'):format(name, found), 4)
  end
end

local function read_options(given, rules, host, port)
  local settings = options.read(given, rules, 3)
  check_text("host", settings.host)
  check_text("path", settings.path)
  if settings.path and settings.host then error("expected host and port, or path, found both", 3) end
  if not settings.path then
    settings.host, settings.port = settings.host or host, settings.port or port
    if not settings.host then error("expected host and port, or path, found neither", 3) end
  end
  return settings
end

-- As the options of a socket go to C: where, then how.
local function socket_arguments(settings, address)
  if settings.path then return settings.path, nil, 0, 0, 0, 0, settings.backlog end
  local idle = settings.keepalive
  local interval = idle > 3 and math.floor(idle / 3) or idle
  local at_once = settings.nodelay and 1 or 0
  return address, settings.port, at_once, idle, interval, 1000 * settings.user_timeout, settings.backlog
end

-- A socket that dials a free port of its own host may happen to get that very port, and is then connected to itself.
local function is_itself(handle)
  local host, port = handle:address()
  local peer, peer_port = handle:peer()
  return port ~= nil and host == peer and port == peer_port
end

local function attempt(settings, address)
  local handle, reason, code = core.dial(socket_arguments(settings, address))
  if not handle then return nil, reason, code end
  local ok
  ok, reason, code = handle:flush()
  if ok and not is_itself(handle) then return streams.new(handle, print_label(address, settings.port)) end
  handle:close()
  if ok then return nil, "connection refused", "ECONNREFUSED" end
  return nil, reason, code
end

-- The stream is the caller's only when it is connected: until then it ends with the caller's task.
local function dial(settings, address, seconds)
  return task.timeout(math.ceil(seconds * 1000) / 1000, attempt, settings, address)
end

-- Several reasons as one: said once if they are all the same.
local function join(failures)
  local lines = {}
  for i, failure in ipairs(failures) do
    if failure.reason ~= failures[1].reason then lines.differ = true end
    lines[i] = failure.address .. ": " .. failure.reason
  end
  return lines.differ and table.concat(lines, "; ") or failures[1].reason
end

-- Tries each address with its share of what is left, so that one that drops everything leaves time for the next.
local function dial_each(settings, addresses, deadline)
  local failures = {}
  for i, found in ipairs(addresses) do
    local seconds = math.max(0.001, (deadline - timer.now()) / (#addresses - i + 1))
    local stream, reason, code = dial(settings, found.address, seconds)
    if stream or code == "ECANCELED" then return stream, reason, code end
    failures[i] = { address = found.address, reason = reason, code = code }
  end
  return nil, join(failures), failures[#failures].code
end

local function connect(settings, total)
  local address = settings.path or hostname.parse(settings.host).address
  if address then return dial(settings, address, total) end
  local deadline = timer.now() + total
  local addresses, message, code = dns.addresses(settings.host, { timeout = total })
  if not addresses then return nil, message, code end
  return dial_each(settings, addresses, deadline)
end

--- Connects. The addresses of a name are tried in turn.
---@param given engine.tcp.ConnectOptions
---@return engine.tcp.Stream? stream
---@return string? message why each address failed
---@return string? code of the last: "ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENOENT"…, or of the name: "ENOTFOUND"…
function M.connect(given)
  local settings = read_options(given, CONNECT_OPTIONS)
  if settings.host and (settings.port or 0) == 0 then
    error('option "port": expected an integer from 1 to 65535, found none', 2)
  end
  local is_positive = settings.timeout > 0
  if not is_positive then
    error(('option "timeout": expected seconds above 0, found %g'):format(settings.timeout), 2)
  end
  local stream, reason, code = connect(settings, limit(math.min(settings.timeout, 1e9)))
  if stream then return stream end
  return nil, ("cannot connect to %s: %s"):format(print_label(settings.path or settings.host, settings.port), reason), code
end

---@class engine.tcp.Listener
---@field private handle userdata
---@field private label string
local Listener = {}
local class = { __index = Listener, __name = "listener" } -- apart: nobody gets at it by an object

-- Whether a socket file is there and nobody listens on it.
local function is_stale(path)
  local handle = core.dial(path, nil)
  if not handle then return false end
  local _, _, code = handle:flush()
  handle:close()
  return code == "ECONNREFUSED"
end

--- Listens. Raises for unknown options and wrong types.
---@param given? engine.tcp.ListenOptions
---@return engine.tcp.Listener? listener
---@return string? message
---@return string? code as in the stub
function M.listen(given)
  local settings = read_options(given, LISTEN_OPTIONS, "0.0.0.0", 0)
  local label = print_label(settings.path or settings.host, settings.port)
  local address = settings.path or hostname.parse(settings.host).address
  local handle, reason, code
  if address then
    handle, reason, code = core.listen(socket_arguments(settings, address))
  else
    reason, code = "expected an address like 0.0.0.0 or ::1", "EINVAL"
  end
  if handle then return setmetatable({ handle = handle, label = label }, class) end
  if settings.path and code == "EADDRINUSE" and is_stale(address) then
    reason = "a socket file is left there that nobody listens on: remove it"
  end
  return nil, ("cannot listen on %s: %s"):format(label, reason), code
end

-- Those who connect to a path have none themselves.
local function label_of(listener, handle)
  local host, port = handle:peer()
  return type(port) == "number" and print_label(host, port) or listener.label
end

local OUT_OF_DESCRIPTORS = { EMFILE = true, ENFILE = true }

-- The listener rests, unless room was made.
local function rest(self, reason, code, on_full)
  log.warn(("cannot accept on %s: %s"):format(self.label, reason))
  if not (on_full and OUT_OF_DESCRIPTORS[code] and on_full()) then timer.sleep(PAUSE) end
end

--- Waits for the next connection. Without a free descriptor it goes on trying, ten times a second.
---@param on_full? fun(): boolean? asked to make room then; true: it did, so it is tried again at once
---@return engine.tcp.Stream? stream
---@return string? message
---@return string? code "ECANCELED" when the listener was closed
function Listener:accept(on_full)
  while true do
    local handle
    local ok, reason, code = self.handle:accept()
    if ok then
      handle, reason, code = self.handle:accept(true)
    end
    if handle then return streams.new(handle, label_of(self, handle)) end
    if code == "ECANCELED" then return nil, reason, code end
    if code == "EALREADY" then error(("another task accepts on %s already"):format(self.label), 2) end
    if code ~= "EAGAIN" and code ~= "ECONNABORTED" then rest(self, reason, code, on_full) end
  end
end

--- Where it listens.
function Listener:address() return self.handle:address() end

--- Closes it.
function Listener:close() self.handle:close() end

return M
