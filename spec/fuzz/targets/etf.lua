-- SPDX-License-Identifier: MIT
--- Erlang's terms: what decodes can be encoded, and says then byte for byte what it says ever after.
local big_endian = require("peerage.big_endian")
local etf = require("peerage.erlang.etf")
local mutate = require("fuzz.mutate")
local char, random = string.char, math.random
local chance, noise, pick, several = mutate.chance, mutate.noise, mutate.pick, mutate.several
local u16, u32 = big_endian.u16, big_endian.u32

local M = {}

local DEEPEST = 6
local LIMITS = { depth = 900 } -- as deep as frames may be

local term -- each writer below gives bytes of one

local function atom()
  local name = pick({ "", "ok", "a@h", "\195\164", "\240\159\152\128", noise(random(0, 4)), ("x"):rep(255) })
  return pick({
    function() return "\119" .. char(#name % 256) .. name end,
    function() return "\118" .. u16(#name) .. name end,
    function() return "\115" .. char(#name % 256) .. name end,
    function() return "\100" .. u16(#name) .. name end,
  })()
end

local function ids(count) return several(count, count, function() return noise(4) end) end

local function terms(depth, least, most)
  return several(least, most, function() return term(depth + 1) end)
end

local function tuple(depth)
  local n = random(0, 4)
  return (chance(80) and "\104" .. char(n) or "\105" .. u32(n)) .. terms(depth, n, n)
end

local function list(depth)
  local n = random(0, 4)
  return "\108" .. u32(n) .. terms(depth, n, n) .. (chance(70) and "\106" or term(depth + 1))
end

local function map(depth)
  local n = random(0, 3)
  return "\116" .. u32(n) .. terms(depth, 2 * n, 2 * n)
end

local function big()
  local n = random(0, 12)
  return pick({ "\110" .. char(n), "\111" .. u32(n) }) .. char(random(0, 1)) .. noise(n)
end

local function fun(depth)
  local free = random(0, 2)
  local body = char(random(0, 3)) .. noise(16) .. noise(4) .. u32(free) .. atom() .. "\97\1" .. "\97\2"
    .. "\88" .. atom() .. ids(3) .. terms(depth, free, free)
  return "\112" .. u32(#body + 4) .. body
end

local SCALARS = {
  atom, big,
  function() return "\97" .. noise(1) end,
  function() return "\98" .. noise(4) end,
  function() return "\99" .. ("%.20e"):format(random() * 2 ^ random(-80, 80)) .. ("\0"):rep(5) end,
  function() return "\70" .. noise(8) end,
  function() return "\106" end,
  function() local n = random(0, 8) return "\107" .. u16(n) .. noise(n) end,
  function() local n = random(0, 8) return "\109" .. u32(n) .. noise(n) end,
  function() local n = random(1, 4) return "\77" .. u32(n) .. char(random(1, 8)) .. noise(n) end,
  function() return "\88" .. atom() .. ids(3) end,
  function() return "\103" .. atom() .. ids(2) .. noise(1) end,
  function() local n = random(1, 5) return "\90" .. u16(n) .. atom() .. ids(n + 1) end,
  function() local n = random(1, 3) return "\114" .. u16(n) .. atom() .. noise(1) .. ids(n) end,
  function() return "\89" .. atom() .. ids(2) end,
  function() return "\120" .. atom() .. ids(3) end,
  function() return "\102" .. atom() .. ids(1) .. noise(1) end,
  function() return "\113" .. atom() .. atom() .. "\97" .. noise(1) end,
}
local HOLDERS = { tuple, list, map, fun }

function term(depth)
  if depth < DEEPEST and chance(45) then return pick(HOLDERS)(depth) end
  return pick(SCALARS)()
end

--- Bytes of a random term, valid for the most part.
---@return string
function M.term() return term(0) end

function M.generate()
  if chance(2) then return pick({ "\104\1", "\108\0\0\0\1", "\116\0\0\0\1\97\1" }):rep(random(2000)) .. term(0) end
  return mutate.bytes(term(0), term(0))
end

function M.run(input)
  local found, next_at = etf.decode(input, 1, LIMITS)
  if found == nil then
    assert(type(next_at) == "string" and next_at:find("^byte %d+: "), "a refusal without its place")
    return
  end
  assert(next_at >= 2 and next_at <= #input + 1, "it read beyond the end")
  local text = etf.describe(found)
  assert(#text <= 200 and not text:find("[^\32-\126]"), "describe: not 200 printable bytes")
  local bytes = etf.encode(found)
  local again, after = etf.decode(bytes, 1, LIMITS)
  assert(again ~= nil, "what encode gave is refused: " .. tostring(after))
  assert(after == #bytes + 1, "what encode gave has more than one term")
  assert(etf.encode(again) == bytes, "encode(decode(x)) is not stable")
  assert(etf.equal(found, again), "what was decoded is not what encode wrote")
end

return M
