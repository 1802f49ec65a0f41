-- SPDX-License-Identifier: MIT
--- What comes over a link: however it is cut, the same frames; each is malformed, ignored or answered well.
local Frames = require("peerage.erlang.frames")
local big_endian = require("peerage.big_endian")
local control = require("peerage.erlang.control")
local etf = require("peerage.erlang.etf")
local etf_target = require("fuzz.targets.etf")
local mutate = require("fuzz.mutate")
local chance, pick, random = mutate.chance, mutate.pick, math.random

local M = {}

local MAX = 65536 -- bytes of a frame
local SELF = { name = "me@here", creation = 7 }
local OPERATIONS, REG_SEND = 40, 6 -- OTP has none beyond 40

local NODE = etf.atom("you@there")
local PID, OUR_PID = etf.pid(NODE, 3, 1, 0), etf.pid(etf.atom(SELF.name), SELF.creation, 1, 0)
local REFERENCE = etf.reference(NODE, 3, { 1, 2, 3 })
local GEN_CALL = etf.tuple(etf.atom("$gen_call"), etf.tuple(PID, REFERENCE), etf.tuple(etf.atom("is_auth"), NODE))
local PARTS = {
  PID, OUR_PID, REFERENCE, NODE, GEN_CALL, etf.reference(etf.atom(SELF.name), SELF.creation, { 4, 5, 6 }),
  etf.atom(""), etf.atom("net_kernel"), etf.atom("rex"), etf.list({}), etf.list({ etf.atom("link"), etf.atom("monitor") }), 0, 1, 255,
  etf.tuple(etf.atom("erlang"), etf.atom("apply"), 3), "text",
}

local function operation()
  local parts = {}
  for i = 1, random(0, 7) do parts[i] = pick(PARTS) end
  local message = chance(60) and pick(PARTS) or nil
  return control.frame(etf.tuple(random(OPERATIONS), unpack(parts)), message)
end

local function framed(payload) return big_endian.u32(#payload) .. payload end

-- A call whose tag, which the answer has too, is nested so deep that it can hardly be written, or not at all.
local function deep_call()
  local tag = pick({ "\104\1", "\108\0\0\0\1" }):rep(chance(50) and random(850, 1050) or random(10000))
  local request = "\104\3" .. etf.encode(GEN_CALL[1]) .. "\104\2" .. etf.encode(PID) .. tag .. "\106" .. etf.encode(GEN_CALL[3])
  local head = etf.encode(etf.tuple(REG_SEND, PID, etf.atom(""), etf.atom("net_kernel")))
  return framed("\112\131" .. head .. "\131" .. request)
end

local FRAMES = {
  operation, operation, operation,
  function() return control.TICK end,
  function() return (control.ping(SELF, { random(1000), 2, 3 })) end,
  function() return (control.call(SELF, { 1 }, "erlang", "nodes", etf.list({ etf.atom("connected") }))) end,
  function() return framed(mutate.bytes(operation():sub(5), etf_target.term())) end,
  function() return framed("\112\131" .. etf_target.term() .. (chance(50) and "\131" .. etf_target.term() or "")) end,
}

local function any_frame() return chance(2) and deep_call() or pick(FRAMES)() end

local function stream() return mutate.several(1, 6, any_frame) end

function M.generate() return chance(50) and stream() or mutate.bytes(stream(), stream()) end

-- All frames of what comes in pieces of one size, and how it ended.
local function cut(input, size)
  local frames, payloads = Frames.new(MAX), {}
  for at = 1, #input, size do
    frames:add(input:sub(at, at + size - 1))
    local payload, message = frames:next()
    while payload do
      payloads[#payloads + 1] = payload
      payload, message = frames:next()
    end
    if message then return payloads, message end
  end
  return payloads
end

local function take(payload)
  local said, message = control.read(payload)
  if said == nil then
    assert(type(message) == "string", "malformed without a message")
    return
  end
  local answers, reply = control.take(SELF, said, message)
  assert(not reply or type(reply.reference) == "string", "a reply without its key")
  for _, frame in ipairs(answers or {}) do
    assert(big_endian.read_u32(frame, 1) == #frame - 4, "an answer with a wrong length")
    local read, why = control.read(frame:sub(5))
    assert(read ~= nil, "an answer that we would refuse: " .. tostring(why))
  end
end

function M.run(input)
  local payloads, message = cut(input, math.max(1, #input))
  local others, other_message = cut(input, 1 + #input % 7)
  assert(#payloads == #others and message == other_message, "the pieces make a difference")
  local at = 1
  for i, payload in ipairs(payloads) do
    assert(others[i] == payload, "the pieces make a difference")
    assert(input:sub(at, at + 3 + #payload) == framed(payload), "a frame that was not sent")
    at = at + 4 + #payload
    if payload ~= "" then take(payload) end
  end
end

return M
