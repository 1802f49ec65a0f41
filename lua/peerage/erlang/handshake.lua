-- SPDX-License-Identifier: MIT
--- The handshake of the Erlang distribution, both sides, as machines: bytes in, bytes and a verdict out.
--- Invariant: no I/O, no clock, and no error is raised for what the other side sends.
local acceptor = require("peerage.erlang.handshake.acceptor")
local copy = require("peerage.copy")
local describe = require("peerage.describe")
local dialler = require("peerage.erlang.handshake.dialler")
local flags = require("peerage.erlang.handshake.flags")
local node = require("peerage.node")

local M = {}

--- What a hidden node offers.
M.FLAGS = flags.OFFERED

--- The flag that a node adds which is not hidden.
M.PUBLISHED = flags.PUBLISHED

---@class peerage.HandshakeOptions
---@field name string ours
---@field cookie string
---@field creation integer ours: 32 bits, unsigned
---@field challenge integer from a CSPRNG, for this handshake alone: 32 bits, unsigned
---@field flags integer what we offer
---@field peer string dialling: the name that is dialled; the node there must have it
---@field is_wanted? fun(): boolean dialling: the node there has a link with us and asks whether a new one is to take its
---  place. Default: it is
---@field decide fun(peer: peerage.HandshakePeer): peerage.HandshakeStatus accepting: may the peer link? It has not proved
---  yet that it has the cookie

---@alias peerage.HandshakeStatus
---| "ok"
---| "ok_simultaneous" we dial it, too, and give our attempt up for this one
---| "nok" we dial it, too, and our attempt stands
---| "not_allowed"
---| "alive" we have a link with it: it is to say whether that is gone. Close the old one before `out` of the verdict is
---  sent, as OTP does

---@class peerage.HandshakeVerdict
---@field ok boolean
---@field peer? peerage.HandshakePeer
---@field rest? string what was received after the handshake
---@field reason? "wrong cookie"|"not allowed"|"conflict"|"closed"|"protocol"|"nok" with "nok" the other attempt goes on
---@field message? string for a report; it never holds the cookie

local MAX_COOKIE = 255 -- bytes: in OTP a cookie is an atom

local function is_u32(value)
  return type(value) == "number" and value >= 0 and value < 2 ^ 32 and value % 1 == 0
end

local function is_flags(value)
  return type(value) == "number" and value >= 0 and value < 2 ^ 53 and value % 1 == 0
end

local function is_cookie(value) return type(value) == "string" and value ~= "" and #value <= MAX_COOKIE end

local function is_function(value) return type(value) == "function" end

local CHECKS = {
  name = { node.is_name, "a node name" }, creation = { is_u32, "an integer of 32 bits" },
  challenge = { is_u32, "an integer of 32 bits" }, flags = { is_flags, "an integer below 2^53" },
  cookie = { is_cookie, "1 to 255 bytes" }, peer = { node.is_name, "a node name" },
  is_wanted = { is_function, "a function" }, decide = { is_function, "a function" },
}

local function check(call, options, names)
  for _, name in ipairs(names) do
    local value, is_valid, expected = options[name], CHECKS[name][1], CHECKS[name][2]
    if not is_valid(value) then
      local found = name == "cookie" and "something else" or describe.value(value)
      error(("handshake.%s: %s: expected %s, found %s"):format(call, name, expected, found), 3)
    end
  end
end

local function yes() return true end

--- The side that connects. `machine:open()` has its first bytes; then `machine:take` what comes, until there is a
--- verdict, or `machine:closed` when the stream ends. Raises for wrong options.
---@param options peerage.HandshakeOptions
---@return peerage.Handshake machine
function M.dial(options)
  options = copy(options)
  options.is_wanted = options.is_wanted or yes
  check("dial", options, { "name", "creation", "challenge", "flags", "cookie", "peer", "is_wanted" })
  return dialler.new(options)
end

--- The side that was connected to. Raises for wrong options.
---@param options peerage.HandshakeOptions
---@return peerage.Handshake machine its `open()` gives nothing: the other side begins
function M.accept(options)
  options = copy(options)
  check("accept", options, { "name", "creation", "challenge", "flags", "cookie", "decide" })
  return acceptor.new(options)
end

return M
