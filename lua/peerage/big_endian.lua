-- SPDX-License-Identifier: MIT
--- Unsigned integers as bytes, the highest first, as network protocols have them. Pure.
--- Invariant: exact below 2^53; a reader's bytes must be there.
local byte, char, floor = string.byte, string.char, math.floor

local M = {}

---@param value integer
---@return string bytes 2
function M.u16(value) return char(floor(value / 256) % 256, value % 256) end

---@param value integer
---@return string bytes 4
function M.u32(value)
  return char(floor(value / 2 ^ 24) % 256, floor(value / 2 ^ 16) % 256, floor(value / 256) % 256, value % 256)
end

---@param value integer below 2^53
---@return string bytes 8
function M.u64(value) return M.u32(floor(value / 2 ^ 32)) .. M.u32(value % 2 ^ 32) end

---@param data string
---@param at integer
---@return integer value
function M.read_u16(data, at)
  local a, b = byte(data, at, at + 1)
  return a * 256 + b
end

---@param data string
---@param at integer
---@return integer value
function M.read_u32(data, at)
  local a, b, c, d = byte(data, at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

--- Of a value of 2^53 or more the lowest bits are lost.
---@param data string
---@param at integer
---@return integer value
function M.read_u64(data, at) return M.read_u32(data, at) * 2 ^ 32 + M.read_u32(data, at + 4) end

return M
