-- SPDX-License-Identifier: MIT
--- Where other nodes come in: each connection has a few seconds to show that it is one, and only so many may try at once.
--- Invariant: what strangers can make it hold is bounded; those that take longest give way to those that come.
local Guests = require("peerage.erlang.guests")
local greeting = require("peerage.erlang.greeting")
local handshake = require("peerage.erlang.handshake")
local task = require("engine.task")
local tcp = require("engine.tcp")

local M = {}
M.__index = M

local MOST_PENDING = 128 -- handshakes under way

local function open(host, ports)
  local listener, message, code
  for port = ports[1], ports[2] do
    listener, message, code = tcp.listen({ host = host, port = port })
    if code ~= "EADDRINUSE" then break end
  end
  if listener or code ~= "EADDRINUSE" or ports[1] == ports[2] then return listener, message, code end
  return nil, ("cannot listen on %s: all ports from %d to %d are in use"):format(host, ports[1], ports[2])
end

local function shake_hands(self, guest)
  local cookie, message = self.node:cookie()
  if not cookie then return { ok = false, reason = "no cookie", message = message } end
  local function decide(peer)
    local status = self.node:decide(peer)
    if status:find("^ok") or status == "alive" then
      guest.name = peer.name
      self.node:count_arrival(guest.name, 1)
    end
    return status
  end
  local function on_proved(name)
    guest.is_proved = true
    self.node:mark_proved(name, true)
  end
  return greeting.run(handshake.accept(self.node:identity(cookie, { decide = decide })), guest.stream, on_proved)
end

local function refuse(self, guest, verdict)
  if guest.evicted then verdict = { reason = "too many", message = guest.evicted } end
  guest.stream:close()
  if verdict.reason == "nok" then return end -- our own attempt goes on instead
  if verdict.reason == "closed" then return self.node.refusals:count("closed") end -- as one does whom we dialled first
  self.node.refusals:add(verdict.reason, "a handshake failed: " .. (verdict.message or verdict.reason), { address = guest.host })
end

local function serve(self, guest)
  local verdict = task.timeout(self.timeout, shake_hands, self, guest)
    or { ok = false, reason = "handshake timeout", message = ("not done after %g s"):format(self.timeout) }
  self.guests:remove(guest)
  if guest.is_proved then self.node:mark_proved(guest.name, false) end
  if verdict.ok then
    self.node:add_link(verdict.peer, guest.stream, verdict.rest)
  else
    refuse(self, guest, verdict)
  end
  if guest.name then self.node:count_arrival(guest.name, -1) end
end

local function accept(self)
  for stream in function() return self.guests:accept(self.listener) end do
    local guest = { stream = stream, host = (stream:peer()) }
    self.guests:add(guest)
    task.spawn(serve, self, guest)
  end
end

--- Opens it. What it accepts goes to `node`.
---@param node peerage.ErlangNode
---@param host string address
---@param ports integer[]|nil the first and the last of those that will do; nil: any
---@param timeout number seconds for all of a handshake
---@return peerage.ErlangListener|nil listener
---@return string? message, string? code as engine.tcp's
function M.start(node, host, ports, timeout)
  local listener, message, code = open(host, ports or { 0, 0 })
  if not listener then return nil, message, code end
  local self = setmetatable({ node = node, listener = listener, timeout = timeout, guests = Guests.new(MOST_PENDING) }, M)
  self.host, self.port = listener:address()
  node.scope:spawn(accept, self)
  return self
end

--- Ends the handshakes of those who say that they have a name and have not proved it.
---@param name string
function M:end_claims(name)
  for _, guest in ipairs(self.guests.list) do
    if guest.name == name and not guest.is_proved then guest.stream:close() end
  end
end

--- How many handshakes are under way.
---@return integer
function M:pending() return self.guests:count() end

return M
