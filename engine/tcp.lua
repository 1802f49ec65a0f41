-- SPDX-License-Identifier: MIT
--- TCP and Unix sockets: the Lua half, for connecting to names, and for accepting when descriptors have run out.
local core = require("engine.tcp.core")
local dns = require("engine.dns")
local log = require("engine.log")
local timer = require("engine.timer")

local M = { listen = core.listen }

local PAUSE = 0.1 -- seconds after which a connection that could not be accepted is tried again

-- A socket that dials a free port of its own host may happen to get that very port, and is then connected to itself.
local function is_itself(stream)
  local host, port = stream:address()
  local peer, peer_port = stream:peer()
  return port ~= nil and host == peer and port == peer_port
end

local function dial(options, address, seconds)
  local stream, message, code = core.dial(options, address)
  if not stream then return nil, message, code end
  local is_late = false
  local alarm = timer.after(seconds, function()
    is_late = true
    stream:close()
  end)
  local ok
  ok, message, code = stream:flush()
  alarm:stop()
  if ok and not is_itself(stream) then return stream end
  stream:close()
  if is_late then return nil, ("cannot connect: timed out after %.3g s"):format(seconds), "ETIMEDOUT" end
  if ok then return nil, "cannot connect: connection refused", "ECONNREFUSED" end
  return nil, message, code
end

local function reason_of(message) return (message:gsub("^cannot connect.-: ", "")) end

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
local function dial_each(options, addresses, deadline)
  local failures = {}
  for i, found in ipairs(addresses) do
    local seconds = math.max(0.001, (deadline - timer.now()) / (#addresses - i + 1))
    local stream, message, code = dial(options, found.address, seconds)
    if stream or code == "ECANCELED" then return stream, message, code end
    failures[i] = { address = found.address, reason = reason_of(message), code = code }
  end
  return nil, join(failures), failures[#failures].code
end

--- Connects. The addresses of a name are tried in turn.
---@param options engine.tcp.ConnectOptions
---@return engine.tcp.Stream? stream
---@return string? message why each address failed
---@return string? code of the last: "ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENOENT"…, or of the name: "ENOTFOUND"…
function M.connect(options)
  local label, is_direct, total = core.describe(options)
  local deadline = timer.now() + total
  local stream, message, code
  if is_direct then
    stream, message, code = dial(options, nil, total)
  else
    local addresses
    addresses, message, code = dns.addresses(options.host, { timeout = total })
    if addresses then
      stream, message, code = dial_each(options, addresses, deadline)
    end
  end
  if stream then return stream end
  return nil, ("cannot connect to %s: %s"):format(label, reason_of(message)), code
end

local wait, take = core.listener.wait, core.listener.take
core.listener.wait, core.listener.take = nil, nil

--- Waits for the next connection. Without a free descriptor it goes on trying, ten times a second.
---@return engine.tcp.Stream? stream
---@return string? message
---@return string? code "ECANCELED" when the listener was closed
function core.listener:accept()
  while true do
    local stream
    local ok, message, code = wait(self)
    if ok then
      stream, message, code = take(self)
    end
    if stream or code == "ECANCELED" then return stream, message, code end
    if code ~= "EAGAIN" and code ~= "ECONNABORTED" then
      log.warn(message)
      timer.sleep(PAUSE)
    end
  end
end

return M
