-- SPDX-License-Identifier: MIT
--- The messages of the distribution handshake, written and read (OTP: "Distribution Protocol", the handshake of OTP 23).
--- Invariant: what is read is checked against the bytes that are there; bytes beyond what a message needs are ignored
--- in the two that OTP may lengthen, and wrong in the others.
local big_endian = require("peerage.big_endian")
local crypto = require("engine.crypto")
local describe = require("peerage.describe")

local u16, u32, u64 = big_endian.u16, big_endian.u32, big_endian.u64
local read_u16, read_u32 = big_endian.read_u16, big_endian.read_u32

local M = {}

local DIGEST = 16 -- bytes of an MD5

-- A Lua number holds 53 bits: the flags above have no meaning, and are left out.
local function read_flags(bytes, at) return read_u32(bytes, at) % 2 ^ 21 * 2 ^ 32 + read_u32(bytes, at + 4) end

--- A message as it goes over the wire, with its length before it.
---@param message string at most 65535 bytes
---@return string
function M.frame(message) return u16(#message) .. message end

--- The length in a frame's first two bytes.
---@param bytes string at least two bytes
---@return integer
function M.length(bytes) return read_u16(bytes, 1) end

--- MD5 of the cookie and the other side's challenge as a decimal number.
---@param cookie string
---@param challenge integer 32 bits, unsigned
---@return string digest 16 bytes
function M.digest(cookie, challenge) return crypto.md5(("%s%.0f"):format(cookie, challenge)) end

---@param flags integer
---@param creation integer
---@param name string
---@return string
function M.name(flags, creation, name) return "N" .. u64(flags) .. u32(creation) .. u16(#name) .. name end

---@param flags integer
---@param challenge integer
---@param creation integer
---@param name string
---@return string
function M.challenge(flags, challenge, creation, name)
  return "N" .. u64(flags) .. u32(challenge) .. u32(creation) .. u16(#name) .. name
end

---@param text string
---@return string
function M.status(text) return "s" .. text end

---@param challenge integer
---@param digest string
---@return string
function M.reply(challenge, digest) return "r" .. u32(challenge) .. digest end

---@param digest string
---@return string
function M.ack(digest) return "a" .. digest end

-- Checks a message's tag and size, with a reason that names what was expected.
local function check(message, what, tag, least, most)
  local found = message:sub(1, 1)
  if found == "n" and tag == "N" then
    return nil, "it speaks the handshake of OTP 22 or older, expected that of OTP 23 or later"
  end
  if found ~= tag then
    local shown = found == "" and "an empty frame" or describe.text(found)
    return nil, ('expected %s, which begins with "%s", found %s'):format(what, tag, shown)
  end
  if #message < least then return nil, ("%s has %d bytes, expected at least %d"):format(what, #message, least) end
  if #message > most then return nil, ("%s has %d bytes, expected %d"):format(what, #message, most) end
  return true
end

local function read_text(message, what, at)
  local length = read_u16(message, at)
  local text = message:sub(at + 2, at + 1 + length)
  if #text == length then return text end
  return nil, ("%s says that a name of %d bytes follows, found %d"):format(what, length, #text)
end

---@param message string without its length
---@return { flags: integer, creation: integer, name: string }|nil
---@return string? reason
function M.read_name(message)
  local ok, reason = check(message, "its name", "N", 15, math.huge)
  if not ok then return nil, reason end
  local name
  name, reason = read_text(message, "its name", 14)
  if not name then return nil, reason end
  return { flags = read_flags(message, 2), creation = read_u32(message, 10), name = name }
end

---@param message string without its length
---@return { flags: integer, challenge: integer, creation: integer, name: string }|nil
---@return string? reason
function M.read_challenge(message)
  local ok, reason = check(message, "its challenge", "N", 19, math.huge)
  if not ok then return nil, reason end
  local name
  name, reason = read_text(message, "its challenge", 18)
  if not name then return nil, reason end
  return {
    flags = read_flags(message, 2), challenge = read_u32(message, 10), creation = read_u32(message, 14), name = name,
  }
end

---@param message string without its length
---@return string|nil text
---@return string? reason
function M.read_status(message)
  local ok, reason = check(message, "its status", "s", 1, math.huge)
  if not ok then return nil, reason end
  return message:sub(2)
end

---@param message string without its length
---@return { challenge: integer, digest: string }|nil
---@return string? reason
function M.read_reply(message)
  local ok, reason = check(message, "its reply to the challenge", "r", 5 + DIGEST, 5 + DIGEST)
  if not ok then return nil, reason end
  return { challenge = read_u32(message, 2), digest = message:sub(6) }
end

---@param message string without its length
---@return string|nil digest
---@return string? reason
function M.read_ack(message)
  local ok, reason = check(message, "its acknowledgement", "a", 1 + DIGEST, 1 + DIGEST)
  if not ok then return nil, reason end
  return message:sub(2)
end

return M
