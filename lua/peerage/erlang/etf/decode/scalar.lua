-- SPDX-License-Identifier: MIT
--- Bytes to integers, floats, binaries and bit strings.
local data = require("peerage.erlang.etf.data")
local float64 = require("peerage.erlang.etf.float64")
local byte, sub = string.byte, string.sub

local M = {}

local readers = {}

--- By tag: from the position after it to the term and the next position.
M.readers = readers

readers[97] = function(input, at) return input:u8(at, "an integer") end

readers[98] = function(input, at)
  local value, next_at = input:u32(at, "an integer")
  return value < 2 ^ 31 and value or value - 2 ^ 32, next_at
end

local function read_big(input, at, size)
  input:need(at, size + 1, "an integer of %d bytes and a sign", size)
  local sign = byte(input.data, at) == 0 and 0 or 1
  return data.big(sign, sub(input.data, at + 1, at + size)), at + size + 1
end

readers[110] = function(input, at)
  local size, next_at = input:u8(at, "an integer")
  return read_big(input, next_at, size)
end

readers[111] = function(input, at)
  local size, next_at = input:u32(at, "an integer")
  return read_big(input, next_at, size)
end

readers[70] = function(input, at)
  input:need(at, 8, "a float of 8 bytes")
  local value = float64.decode(input.data, at) or input:fail(at, "a float that is not finite")
  return data.float(value), at + 8
end

readers[109] = function(input, at)
  local size, first = input:u32(at, "a binary")
  input:need(first, size, "a binary of %d bytes", size)
  return sub(input.data, first, first + size - 1), first + size
end

readers[77] = function(input, at)
  local size, bits_at = input:u32(at, "a bit string")
  local last, first = input:u8(bits_at, "a bit string")
  input:need(first, size, "a bit string of %d bytes", size)
  if size == 0 and last == 0 then return "", first end
  if size == 0 or last == 0 or last > 8 then
    input:fail(bits_at, "a bit string of %d bytes with %d bits in the last one", size, last)
  end
  return data.bits(sub(input.data, first, first + size - 1), last), first + size
end

return M
