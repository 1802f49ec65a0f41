-- SPDX-License-Identifier: MIT
--- What both sides of a handshake have in common: bytes are cut into frames, each goes to the step that is due, and one
--- of them ends it with a verdict.
--- Invariant: between two calls less than a frame of `MAX_FRAME` bytes is held; after the verdict nothing is.
local crypto = require("engine.crypto")
local messages = require("peerage.erlang.handshake.messages")

---@class peerage.Handshake
local M = {}
M.__index = M

-- A name of 255 bytes makes 274; the rest is for what a later OTP may add to it.
local MAX_FRAME = 600 -- bytes

M.DIFFERENT_COOKIES = "all nodes need the same one, see cookie and cookie_file"

-- What other protocols begin with, by the two bytes that are a length here.
local OTHERS = {
  ["\21\3"] = "it speaks TLS: distribution over TLS is not supported",
  ["\22\3"] = "it speaks TLS: distribution over TLS is not supported",
  HT = "it speaks HTTP", GE = "it speaks HTTP", PO = "it speaks HTTP", HE = "it speaks HTTP",
  SS = "it speaks SSH",
}

---@class peerage.HandshakeStep
---@field take fun(self: peerage.Handshake, message: string) what to do with a message
---@field reason string what it means that the stream ends here
---@field closed string the same in words

---@param fields table what the steps need of it
---@param step peerage.HandshakeStep the first
---@return peerage.Handshake
function M.new(fields, step)
  fields.step, fields.buffer, fields.out = step, "", ""
  return setmetatable(fields, M)
end

local function taken_out(self)
  local out = self.out
  self.out = ""
  return out ~= "" and out or nil
end

--- What to send before anything is received.
---@return string|nil bytes nil: the other side begins
function M:open() return taken_out(self) end

--- Has a message sent.
---@param message string
function M:send(message) self.out = self.out .. messages.frame(message) end

--- Ends it well.
---@param peer peerage.HandshakePeer
function M:succeed(peer) self.verdict = { ok = true, peer = peer } end

local SELF_EXPLAINING = { protocol = true, nok = true }

--- Ends it without a link.
---@param reason string
---@param detail string
function M:fail(reason, detail)
  local message = SELF_EXPLAINING[reason] and detail or reason .. ": " .. detail
  self.verdict = { ok = false, reason = reason, message = message }
end

--- Whether a digest proves that the other side has our cookie; if not, that ends it.
---@param digest string
---@return boolean
function M:is_proof(digest)
  if crypto.equal(digest, messages.digest(self.cookie, self.challenge)) then return true end
  self:fail("wrong cookie", M.DIFFERENT_COOKIES)
  return false
end

local function next_message(self)
  local buffer = self.buffer
  if #buffer < 2 then return nil end
  local length = messages.length(buffer)
  if length > MAX_FRAME then
    local other = OTHERS[buffer:sub(1, 2)]
    self:fail("protocol", other or ("it announces a frame of %d bytes, at most %d are expected"):format(length, MAX_FRAME))
    return nil
  end
  if #buffer < 2 + length then return nil end
  self.buffer = buffer:sub(3 + length)
  return buffer:sub(3, 2 + length)
end

--- Takes what was received, in any pieces. Never raises for what is in it.
---@param bytes string
---@return string|nil out what to send now, also with a verdict
---@return peerage.HandshakeVerdict|nil verdict nil: it goes on
function M:take(bytes)
  if self.verdict then return nil, self.verdict end
  self.buffer = self.buffer .. bytes
  repeat
    local message = next_message(self)
    if message then self.step.take(self, message) end
  until not message or self.verdict
  if self.verdict then
    if self.verdict.ok then self.verdict.rest = self.buffer end
    self.buffer = ""
  end
  return taken_out(self), self.verdict
end

--- The stream has ended, by a reset too: what that means.
---@return peerage.HandshakeVerdict verdict the one from before, if there was one
function M:closed()
  if not self.verdict then
    if self.buffer == "" then
      self:fail(self.step.reason, self.step.closed)
    else
      self:fail("closed", "in the middle of a message of the handshake")
    end
    self.buffer = ""
  end
  return self.verdict
end

return M
