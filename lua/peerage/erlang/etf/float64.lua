-- SPDX-License-Identifier: MIT
--- Doubles as the 8 bytes of IEEE 754 (binary64), the highest first. Each finite double, -0.0 and subnormal ones too, comes back as it was.
local byte, char, floor, frexp, ldexp = string.byte, string.char, math.floor, math.frexp, math.ldexp

local M = {}

local FRACTION = 52 -- bits
local BIAS = 1022 -- of the exponent that goes with a fraction in [0.5, 1), as frexp gives it
local LEAST = -1074 -- exponent of the least subnormal

-- The biased exponent and the 52 bits of the fraction of a positive number or zero.
local function parts_of(value)
  if value == 0 then return 0, 0 end
  local fraction, exponent = frexp(value)
  local biased = exponent + BIAS
  if biased <= 0 then return 0, ldexp(fraction, exponent - LEAST) end
  return biased, (2 * fraction - 1) * 2 ^ FRACTION
end

---@param value number finite
---@return string bytes
function M.encode(value)
  local is_negative = value < 0 or 1 / value < 0
  local biased, fraction = parts_of(math.abs(value))
  local high, low = biased * 2 ^ 20 + floor(fraction / 2 ^ 32), fraction % 2 ^ 32
  return char(
    floor(high / 2 ^ 24) + (is_negative and 128 or 0), floor(high / 2 ^ 16) % 256, floor(high / 256) % 256, high % 256,
    floor(low / 2 ^ 24), floor(low / 2 ^ 16) % 256, floor(low / 256) % 256, low % 256
  )
end

--- Reads 8 bytes that are there.
---@param data string
---@param at integer position of the first
---@return number|nil value nil: infinite or not a number
function M.decode(data, at)
  local a, b, c, d, e, f, g, h = byte(data, at, at + 7)
  local biased = a % 128 * 16 + floor(b / 16)
  local fraction = ((b % 16 * 2 ^ 16 + c * 2 ^ 8 + d) * 2 ^ 8 + e) * 2 ^ 24 + f * 2 ^ 16 + g * 2 ^ 8 + h
  if biased == 2047 then return nil end
  local value
  if biased == 0 then
    value = ldexp(fraction, LEAST)
  else
    value = ldexp(fraction + 2 ^ FRACTION, biased + LEAST - 1)
  end
  return a >= 128 and -value or value
end

return M
