-- SPDX-License-Identifier: MIT
--- The handshake of the side that connects: name, status, challenge, reply, acknowledgement.
--- Invariant: a digest of the cookie is sent only to a node that has the name that was dialled.
local describe = require("peerage.describe")
local machine = require("peerage.erlang.handshake.machine")
local messages = require("peerage.erlang.handshake.messages")
local peers = require("peerage.erlang.handshake.peer")

local M = {}

local acknowledgement = { reason = "wrong cookie", closed = machine.DIFFERENT_COOKIES }

function acknowledgement.take(self, message)
  local digest, reason = messages.read_ack(message)
  if not digest then return self:fail("protocol", reason) end
  if self:is_proof(digest) then self:succeed(self.found) end
end

local challenge = { reason = "closed", closed = "by the other side, before its challenge" }

function challenge.take(self, message)
  local said, reason = messages.read_challenge(message)
  if not said then return self:fail("protocol", reason) end
  local peer, kind, detail = peers.of(said, self.flags)
  if not peer then return self:fail(kind, detail) end
  if peer.name ~= self.peer then return self:fail("conflict", "the node there is called " .. peer.name) end
  self.found, self.step = peer, acknowledgement
  self:send(messages.reply(self.challenge, messages.digest(self.cookie, said.challenge)))
end

local status = { reason = "closed", closed = "by the other side, in answer to our name: it may want TLS, or be of OTP 22 or older" }

local answers = {}

function answers.ok(self) self.step = challenge end

answers.ok_simultaneous = answers.ok

function answers.nok(self) self:fail("nok", "both sides connect at once, and the other side's attempt stands") end

function answers.not_allowed(self) self:fail("not allowed", "the node there refuses " .. self.name) end

function answers.alive(self)
  local is_wanted = self.is_wanted()
  self:send(messages.status(is_wanted and "true" or "false"))
  if is_wanted then
    self.step = challenge
  else
    self:fail("nok", "the node there has a link with us, which stays")
  end
end

function status.take(self, message)
  local text, reason = messages.read_status(message)
  if not text then return self:fail("protocol", reason) end
  local answer = answers[text]
  if answer then return answer(self) end
  if text:find("^named:") then
    return self:fail("protocol", "it gives us another name, which is not supported")
  end
  self:fail("protocol", "expected a status such as ok or not_allowed, found " .. describe.text(text))
end

---@param options peerage.HandshakeOptions
---@return peerage.Handshake
function M.new(options)
  local self = machine.new(options, status)
  self:send(messages.name(self.flags, self.creation, self.name))
  return self
end

return M
