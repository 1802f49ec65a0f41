-- SPDX-License-Identifier: MIT
--- The datagrams of provider udp as bytes: plain ones, which Elixir's Peerage speaks, and signed ones. Pure.
---   plain   "Peer:" Name
---   signed  "Peer2:" Type:8 Instance:64 Stamp:64 Nlen:8 Name MAC:32 bytes, big-endian
--- The MAC is HMAC-SHA-256 over `group ":" port "\0"` and all bytes before it, so that none is valid elsewhere.
local big_endian = require("peerage.big_endian")
local crypto = require("engine.crypto")
local node = require("peerage.node")
local byte, char, sub = string.byte, string.char, string.sub

local M = {}

local PLAIN, SIGNED = "Peer:", "Peer2:"
local TYPES = { announce = 1, leave = 2 }
local TYPE_NAMES = { "announce", "leave" }
local HEAD, MAC = #SIGNED + 18, 32 -- bytes before the name; of the MAC

M.INSTANCE = 8 -- bytes

---@class peerage.Announcement
---@field type "announce"|"leave"
---@field instance string 8 bytes, random at the sender's start
---@field stamp number microseconds, greater than in all the sender sent before
---@field name string a valid node name

--- What binds a MAC to one group.
---@param group string in its canonical spelling
---@param port integer
---@return string context
function M.context(group, port) return ("%s:%d\0"):format(group, port) end

---@param name string
---@return string data
function M.write_plain(name) return PLAIN .. name end

---@param announcement peerage.Announcement
---@param secret string
---@param context string
---@return string data
function M.write_signed(announcement, secret, context)
  local name = announcement.name
  local head = SIGNED .. char(TYPES[announcement.type]) .. announcement.instance
    .. big_endian.u64(announcement.stamp) .. char(#name) .. name
  return head .. crypto.hmac_sha256(secret, context .. head)
end

--- Whether it claims to be a signed one.
---@param data string
---@return boolean
function M.is_signed(data) return sub(data, 1, #SIGNED) == SIGNED end

---@param data string
---@return string|nil name nil if it is no plain announcement of a valid name
function M.read_plain(data)
  if sub(data, 1, #PLAIN) ~= PLAIN then return nil end
  local name = sub(data, #PLAIN + 1)
  return node.is_name(name) and name or nil
end

local function is_verified(data, secrets, context)
  local head, mac = context .. sub(data, 1, -MAC - 1), sub(data, -MAC)
  for i = 1, #secrets do
    if crypto.equal(crypto.hmac_sha256(secrets[i], head), mac) then return true end
  end
  return false
end

--- Reads a signed datagram; whether it is fresh is for the caller to say.
---@param data string
---@param secrets string[] any of them may have signed it
---@param context string
---@return peerage.Announcement|nil announcement
---@return "malformed"|"mac"|nil reason
function M.read_signed(data, secrets, context)
  if not M.is_signed(data) or #data < HEAD + 1 + MAC then return nil, "malformed" end
  if #data ~= HEAD + byte(data, HEAD) + MAC then return nil, "malformed" end
  if not is_verified(data, secrets, context) then return nil, "mac" end
  local first = #SIGNED + 1
  local name = sub(data, HEAD + 1, -MAC - 1)
  local kind = TYPE_NAMES[byte(data, first)]
  if not kind or not node.is_name(name) then return nil, "malformed" end
  return {
    type = kind,
    instance = sub(data, first + 1, first + M.INSTANCE),
    stamp = big_endian.read_u64(data, first + 9),
    name = name,
  }
end

return M
