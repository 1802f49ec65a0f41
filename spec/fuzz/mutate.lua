-- SPDX-License-Identifier: MIT
--- Makes bytes that are almost right: samples, and what a careless or a hostile sender makes of them.
--- Invariant: what comes out depends on math.random and the arguments alone.
local big_endian = require("peerage.big_endian")
local random = math.random

local M = {}

local MOST_CHANGES = 6
local MOST_REPEATS = 64
local LONGEST = 65536 -- bytes; repeats of repeats end there
local EDGES = { 0, 1, 2, 3, 4, 127, 128, 254, 255, 256, 32767, 32768, 65535, 65536, 2 ^ 31 - 1, 2 ^ 31, 2 ^ 32 - 1 }
local WRITERS = {
  { 1, function(value) return string.char(value % 256) end },
  { 2, function(value) return big_endian.u16(value % 65536) end },
  { 4, function(value) return big_endian.u32(value % 2 ^ 32) end },
}

--- One of a list.
---@generic T
---@param list T[]
---@return T
function M.pick(list) return list[random(#list)] end

--- Whether something is to be done that is done so many times of a hundred.
---@param percent number
---@return boolean
function M.chance(percent) return random() * 100 < percent end

--- Random bytes.
---@param count integer
---@return string
function M.noise(count)
  local bytes = {}
  for i = 1, count do bytes[i] = string.char(random(0, 255)) end
  return table.concat(bytes)
end

-- A part of the data: its first and last position.
local function part(data)
  local first = random(#data)
  return first, math.min(#data, first + random(random() < 0.8 and 8 or #data) - 1)
end

local function replace(data, first, last, with) return data:sub(1, first - 1) .. with .. data:sub(last + 1) end

local CHANGES = {}

function CHANGES.flip(data)
  local at = random(#data)
  return replace(data, at, at, string.char(bit.bxor(data:byte(at), 2 ^ random(0, 7))))
end

function CHANGES.overwrite(data)
  local first, last = part(data)
  return replace(data, first, last, M.noise(last - first + 1))
end

function CHANGES.truncate(data) return data:sub(1, random(0, #data)) end

function CHANGES.remove(data)
  local first, last = part(data)
  return replace(data, first, last, "")
end

function CHANGES.insert(data)
  local at = random(#data)
  return replace(data, at, at - 1, M.noise(random(8)))
end

function CHANGES.duplicate(data)
  local first, last = part(data)
  return replace(data, first, last, data:sub(first, last):rep(random(2, M.chance(10) and MOST_REPEATS or 3)))
end

function CHANGES.swap(data)
  local first, last = part(data)
  local at = random(#data)
  return replace(data, at, at + last - first, data:sub(first, last))
end

-- A number as a length or a count would be: at the edges, or near what really follows.
function CHANGES.number(data)
  local width, write = unpack(M.pick(WRITERS))
  local at = random(#data)
  local follows = math.max(0, #data - at - width + 1)
  return replace(data, at, at + width - 1, write(M.chance(50) and M.pick(EDGES) or math.max(0, follows + random(-2, 2))))
end

function CHANGES.splice(data, other) return data:sub(1, random(#data)) .. other:sub(random(#other + 1)) end

local NAMES = {}
for name in pairs(CHANGES) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)

--- Changes bytes in some places, now and then in none.
---@param data string
---@param other string what parts may be taken from
---@return string
function M.bytes(data, other)
  if M.chance(5) then return data end
  for _ = 1, random(random() < 0.7 and 2 or MOST_CHANGES) do
    if data == "" then return data end
    data = CHANGES[M.pick(NAMES)](data, other):sub(1, LONGEST)
  end
  return data
end

--- Text in which words were swapped for others, and some bytes changed.
---@param text string
---@param words string[] what the reader knows
---@return string
function M.text(text, words)
  for _ = 1, random(3) do
    if text == "" then return text end
    local first, last = part(text)
    if M.chance(50) then text = replace(text, first, last, M.pick(words)) end
  end
  return M.chance(60) and M.bytes(text, M.pick(words)) or text
end

--- Calls `write` so many times and joins what it gives.
---@param least integer
---@param most integer
---@param write fun(i: integer): string
---@return string
function M.several(least, most, write)
  local parts = {}
  for i = 1, random(least, most) do parts[i] = write(i) end
  return table.concat(parts)
end

return M
