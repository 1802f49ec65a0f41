-- SPDX-License-Identifier: MIT
--- Both sides of the handshake: nobody is let in who has not proved that he knows the cookie, whatever he sends.
local handshake = require("peerage.erlang.handshake")
local messages = require("peerage.erlang.handshake.messages")
local mutate = require("fuzz.mutate")
local node = require("peerage.node")
local chance, pick, random = mutate.chance, mutate.pick, math.random

local M = {}

local COOKIE, CHALLENGE, THEIRS = "a cookie", 4000000000, 17
local PROOF = messages.digest(COOKIE, CHALLENGE)
local HELD = 602 -- bytes: the largest frame
local NAMES = { "you@there", "you@there", "me@here", "x@y", "you", "@", "\0@\0", ("n"):rep(250) .. "@h", ("n"):rep(500) }
local STATUSES = { "ok", "ok_simultaneous", "nok", "not_allowed", "alive", "true", "false", "named:\0\1", "" }
local DECISIONS = { "ok", "ok_simultaneous", "nok", "not_allowed", "alive" }
local OTHERS = { "\22\3\1\2\0\1\0\1\252\3\3", "HTTP/1.1 400 Bad Request\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n" }

local function flags() return pick({ handshake.FLAGS, handshake.FLAGS + handshake.PUBLISHED, 0x4000000, 2 ^ 33, random(0, 2 ^ 31) }) end

local function digest() return chance(70) and PROOF or mutate.noise(16) end

local MESSAGES = {
  function() return messages.name(flags(), random(2 ^ 31), pick(NAMES)) end,
  function() return messages.challenge(flags(), random(2 ^ 31), 3, pick(NAMES)) end,
  function() return messages.status(pick(STATUSES)) end,
  function() return messages.reply(random(2 ^ 31), digest()) end,
  function() return messages.ack(digest()) end,
}

-- In the order in which they are due, so that a good many get through.
local function in_order(side)
  if side == "\1" then
    return {
      messages.status(pick({ "ok", "ok_simultaneous", "alive" })),
      messages.challenge(handshake.FLAGS, THEIRS, 3, "you@there"), messages.ack(PROOF),
    }
  end
  return { messages.name(handshake.FLAGS, 3, "you@there"), messages.reply(THEIRS, PROOF) }
end

local function talk(side)
  local list = in_order(side)
  if chance(60) then list[random(#list)] = pick(MESSAGES)() end
  if chance(15) then table.insert(list, random(#list), pick(MESSAGES)()) end
  for i, message in ipairs(list) do
    if chance(20) then message = mutate.bytes(message, pick(MESSAGES)()) end
    list[i] = messages.frame(message)
  end
  return table.concat(list)
end

--- The first byte is the side that is tried, the second what the accepting one decides and how the rest is cut.
function M.generate()
  local side = pick({ "\1", "\2" })
  local bytes = chance(3) and pick(OTHERS) or talk(side)
  if chance(30) then bytes = mutate.bytes(bytes, talk(side)) end
  return side .. string.char(random(0, 255)) .. bytes
end

local function machine(side, choice)
  local options = { name = "me@here", cookie = COOKIE, creation = 1, challenge = CHALLENGE, flags = handshake.FLAGS }
  if side == 1 then
    options.peer, options.is_wanted = "you@there", function() return choice % 2 == 0 end
    return handshake.dial(options)
  end
  options.decide = function() return choice < 128 and "ok" or DECISIONS[choice % #DECISIONS + 1] end
  return handshake.accept(options)
end

local function check_verdict(verdict, taken, self)
  assert(type(verdict.ok) == "boolean", "a verdict that is neither")
  assert(self.buffer == "" and self:take("more") == nil, "something is held, or said, after the verdict")
  if not verdict.ok then
    assert(type(verdict.message) == "string" and not verdict.message:find(COOKIE, 1, true), "a failure without a message")
    return
  end
  assert(taken:find(PROOF, 1, true), "let in without a proof")
  assert(node.is_name(verdict.peer.name), "a peer without a name")
  assert(taken:sub(#taken - #verdict.rest + 1) == verdict.rest, "a rest that was not sent")
end

local function outcome(input, size)
  local side, choice, bytes = input:byte(1), input:byte(2), input:sub(3)
  local self, out = machine(side, choice), {}
  out[1] = self:open() or ""
  local verdict, at = nil, 1
  while at <= #bytes and not verdict do
    local said
    said, verdict = self:take(bytes:sub(at, at + size - 1))
    out[#out + 1] = said
    at = at + size
    assert(#self.buffer < HELD, "more than a frame is held")
  end
  verdict = verdict or self:closed()
  check_verdict(verdict, bytes:sub(1, at - 1), self)
  return table.concat(out), verdict
end

function M.run(input)
  if #input < 2 then return end
  local said, verdict = outcome(input, #input)
  local other_said, other = outcome(input, 1 + input:byte(2) % 5)
  assert(said == other_said and verdict.ok == other.ok and verdict.message == other.message, "the pieces make a difference")
end

return M
