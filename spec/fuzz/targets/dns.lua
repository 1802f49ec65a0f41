-- SPDX-License-Identifier: MIT
--- A DNS server that answers with what it should not: a look-up ends well, with records as they must be or with a reason.
local big_endian = require("peerage.big_endian")
local dns = require("engine.dns")
local dns_server = require("support.dns_server")
local literal = require("engine.dns.core").literal
local mutate = require("fuzz.mutate")
local chance, pick, random, several = mutate.chance, mutate.pick, math.random, mutate.several
local char, u16 = string.char, big_endian.u16

local M = { waits = true, own_tasks = 1, own_handles = 1 } -- the server's of a TCP connection, which look-ups keep for a while

local NAME = "fuzz.test"
local TYPES = { "A", "AAAA", "SRV", "TXT", "PTR", "CNAME", "MX", "NS" }
local NUMBERS = { A = 1, AAAA = 28, SRV = 33, TXT = 16, PTR = 12, CNAME = 5, MX = 15, NS = 2 }
local ANY = #TYPES + 1 -- addresses() instead of query()
local QUESTION = 12 + #dns_server.encode_name(NAME) + 4 -- bytes of the header and the question
local IS_TCP, HAS_OUR_ID = 1, 2
local CODES = { ENOTFOUND = true, ENODATA = true, ESERVFAIL = true, ETIMEDOUT = true }
local TIMEOUT = 0.3 -- seconds; a good answer always follows the bad one

local GOOD_NAMES = { NAME, "a.b.c", ("l"):rep(63) .. ".x", "a b.c" }
local LABEL = ("\255"):rep(63) .. "."
local NAMES = {
  ("l"):rep(64) .. ".x", "a\0b.c", "\\.x", "\195\164.x", "", LABEL:rep(3) .. LABEL:sub(3), LABEL:rep(4), LABEL:rep(5), ("a."):rep(128),
}

local function name()
  if chance(30) then return "\192\12" end -- the question's
  if chance(10) then return "\1p" .. char(192, random(0, 60)) end
  return dns_server.encode_name(pick(chance(80) and GOOD_NAMES or NAMES))
end

local DATA = {
  A = function() return mutate.noise(4) end,
  AAAA = function() return mutate.noise(16) end,
  SRV = function() return mutate.noise(6) .. name() end,
  TXT = function() return several(0, 4, function() local n = random(0, 255) return char(n) .. ("t"):rep(n) end) end,
  PTR = name, CNAME = name, NS = name,
  MX = function() return mutate.noise(2) .. name() end,
}

local function record(kind)
  return dns_server.record(kind, nil, { raw = DATA[kind](), owner = chance(20) and NAME or nil, ttl = random(0, 2 ^ 31) })
end

local function reply(kind)
  local question = { id = "\0\0", section = dns_server.encode_name(NAME) .. u16(NUMBERS[kind]) .. u16(1) }
  local answers = {}
  for i = 1, random(0, chance(5) and 60 or 4) do answers[i] = record(chance(75) and kind or pick(TYPES)) end
  local count, rcode = chance(10) and random(0, 65535) or nil, chance(10) and random(15) or 0
  return dns_server.encode_reply(question, { answers = answers, truncated = chance(5), count = count, rcode = rcode })
end

--- What is asked for, flags, and a packet, in which the first two bytes stand for the question's id.
function M.generate()
  local which = random(ANY)
  local kind = TYPES[which] or "A"
  local flags = (chance(25) and IS_TCP or 0) + (chance(90) and HAS_OUR_ID or 0)
  local bytes, kept = reply(kind), chance(70) and QUESTION or 0
  if chance(70) then bytes = bytes:sub(1, kept) .. mutate.bytes(bytes:sub(kept + 1), reply(pick(TYPES))) end
  return char(which, flags) .. bytes
end

local server, packet, how -- the packet that is to be answered, and its flags

local function answer(question)
  if how % 2 == IS_TCP and question.transport == "udp" then return { truncated = true } end
  local bytes = how >= HAS_OUR_ID and question.id .. packet:sub(3) or packet
  return { bytes, { rcode = 2 } }
end

function M.open() server = dns_server.start({ [NAME] = answer }) end

function M.close() server:stop() end

local function is_number(value, most) return type(value) == "number" and value >= 0 and value <= most and value % 1 == 0 end

local function is_target(value)
  return type(value) == "string" and value ~= "" and #value <= 1024 and not value:find("[^\33-\126]")
end

local function is_address(found, family) return literal(found.address) ~= nil and (family == nil or found.family == family) end

local CHECKS = {
  A = function(found) return is_address(found, "inet") end,
  AAAA = function(found) return is_address(found, "inet6") end,
  SRV = function(found)
    return is_target(found.target) and is_number(found.port, 65535) and is_number(found.priority, 65535)
      and is_number(found.weight, 65535)
  end,
  TXT = function(found) return type(found.text) == "string" end,
  MX = function(found) return is_target(found.target) and is_number(found.priority, 65535) end,
}
for _, kind in ipairs({ "PTR", "CNAME", "NS" }) do
  CHECKS[kind] = function(found) return is_target(found.target) end
end

local function look_up(kind)
  local options = { servers = { server.address }, timeout = TIMEOUT, tries = 1 }
  if kind then return dns.query(NAME, kind, options) end
  return dns.addresses(NAME .. ".", options)
end

-- What the server remembers of a question.
local function forget()
  server.questions, server.streams = {}, {}
  for i = #server.tasks, 3, -1 do
    if server.tasks[i]:is_finished() then table.remove(server.tasks, i) end
  end
end

function M.run(input)
  if #input < 2 then return end
  local kind = TYPES[input:byte(1)]
  packet, how = input:sub(3), input:byte(2) % 4
  local found, message, code = look_up(kind)
  forget()
  if not found then
    assert(type(message) == "string" and #message < 2000, "no message, or an endless one")
    return assert(CODES[code], "a code that is not in the contract: " .. tostring(code))
  end
  assert(#found >= 1, "a success without records")
  for _, each in ipairs(found) do
    assert((CHECKS[kind] or is_address)(each), "a record that is none")
    assert(is_number(each.ttl, 2 ^ 31 - 1), "a time to live that is none")
  end
end

return M
