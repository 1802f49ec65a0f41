-- SPDX-License-Identifier: MIT
--- The handshake of the side that was connected to.
--- Invariant: nothing that depends on the cookie is sent before the other side has proved that it knows it.
local describe = require("peerage.describe")
local machine = require("peerage.erlang.handshake.machine")
local messages = require("peerage.erlang.handshake.messages")
local peers = require("peerage.erlang.handshake.peer")

local M = {}

local reply = { reason = "closed", closed = "by the other side, in answer to our challenge: it may want other flags" }

function reply.take(self, message)
  local said, reason = messages.read_reply(message)
  if not said then return self:fail("protocol", reason) end
  if not self:is_proof(said.digest) then return end
  self:send(messages.ack(messages.digest(self.cookie, said.challenge)))
  self:succeed(self.found)
end

local function send_challenge(self)
  self.step = reply
  self:send(messages.challenge(self.flags, self.challenge, self.creation, self.name))
end

local alive = { reason = "closed", closed = "by the other side, asked whether it wants a new link in place of the old" }

function alive.take(self, message)
  local text, reason = messages.read_status(message)
  if not text then return self:fail("protocol", reason) end
  if text == "true" then return send_challenge(self) end
  if text == "false" then return self:fail("closed", "it gave its attempt up") end
  self:fail("protocol", "expected the status true or false, found " .. describe.text(text))
end

local name = { reason = "closed", closed = "by the other side, before it said its name" }

local statuses = { ok = send_challenge, ok_simultaneous = send_challenge }

function statuses.alive(self) self.step = alive end

function statuses.nok(self) self:fail("nok", "both sides connect at once, and our attempt stands") end

function statuses.not_allowed(self) self:fail("not allowed", self.found.name .. " is refused here") end

local function refuse(self, reason, detail)
  self:send(messages.status("not_allowed"))
  self:fail(reason, detail)
end

function name.take(self, message)
  local said, why = messages.read_name(message)
  if not said then return self:fail("protocol", why) end
  local peer, reason, detail = peers.of(said, self.flags)
  if reason == "not allowed" then return refuse(self, reason, detail) end
  if not peer then return self:fail(reason, detail) end
  if peer.name == self.name then return refuse(self, "conflict", "it is called " .. self.name .. ", too") end
  local status = self.decide(peer)
  if not statuses[status] then error("handshake.accept: decide: expected a status, found " .. describe.value(status), 0) end
  self.found = peer
  self:send(messages.status(status))
  statuses[status](self)
end

---@param options peerage.HandshakeOptions
---@return peerage.Handshake
function M.new(options) return machine.new(options, name) end

return M
