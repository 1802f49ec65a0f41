-- SPDX-License-Identifier: MIT
--- UTF-8 as atoms are held to it: no overlong form, no surrogate, nothing above U+10FFFF.
local byte, char = string.byte, string.char

local M = {}

-- Lead bytes with the least and the greatest second byte and how many follow (Unicode, table 3-7).
local function shape_of(lead)
  if lead < 0xC2 then return nil end
  if lead < 0xE0 then return 1, 0x80, 0xBF end
  if lead < 0xF0 then return 2, lead == 0xE0 and 0xA0 or 0x80, lead == 0xED and 0x9F or 0xBF end
  if lead < 0xF5 then return 3, lead == 0xF0 and 0x90 or 0x80, lead == 0xF4 and 0x8F or 0xBF end
  return nil
end

-- The position after the character of several bytes at `at`; nil: it is none.
local function after(text, at)
  local follow, least, greatest = shape_of(byte(text, at))
  if not follow then return nil end
  for i = at + 1, at + follow do
    local value = byte(text, i)
    if not value or value < least or value > greatest then return nil end
    least, greatest = 0x80, 0xBF
  end
  return at + follow + 1
end

--- How many characters a text has.
---@param text string
---@return integer|nil characters nil: it is not UTF-8
function M.length(text)
  local at = text:find("[\128-\255]")
  if not at then return #text end
  local count = at - 1
  while at <= #text do
    at = byte(text, at) < 0x80 and at + 1 or after(text, at)
    if not at then return nil end
    count = count + 1
  end
  return count
end

local function widen(character)
  local code = byte(character)
  return char(0xC0 + (code - code % 64) / 64, 0x80 + code % 64)
end

--- Each byte of a text in Latin-1 as a character.
---@param text string
---@return string
function M.from_latin1(text) return (text:gsub("[\128-\255]", widen)) end

return M
