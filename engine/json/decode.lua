-- SPDX-License-Identifier: MIT
--- Reads JSON as RFC 8259 has it, and nothing else. Invariant: the time is linear in the length, whatever the bytes, and a
--- failure is raised as a table { at, expected, is_deep }, by which it is told from any other error.
local kinds = require("engine.json.kinds")
local byte, char, find, sub = string.byte, string.char, string.find, string.sub
local array, null = kinds.array, kinds.null

local M = {}

local QUOTE, BACKSLASH, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT = byte('"\\[]{}', 1, 6)
local BLANKS = "^[ \n\r\t]*"
local PLAIN = '[^"\\%z\1-\31]*' -- what stands in a string as it is
local STRING, KEY = '^"(' .. PLAIN .. ')"', '^"(' .. PLAIN .. ')"[ \n\r\t]*:[ \n\r\t]*'
local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
local SMALLEST = 324 -- digits after the point of the least number that is not 0
local WORDS = { t = { "^true", true }, f = { "^false", false }, n = { "^null", null } }

local value -- of any kind

local function fail(at, expected) error({ at = at, expected = expected }, 0) end

local function skip(text, at)
  local _, last = find(text, BLANKS, at)
  return last + 1
end

local function utf8(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + math.floor(code / 64), 0x80 + code % 64) end
  local low, middle = 0x80 + code % 64, 0x80 + math.floor(code / 64) % 64
  if code < 0x10000 then return char(0xE0 + math.floor(code / 4096), middle, low) end
  return char(0xF0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64, middle, low)
end

local function read_unit(text, at)
  local _, last, digits = find(text, "^\\u(%x%x%x%x)", at)
  return digits and tonumber(digits, 16), last
end

-- `\u` and four digits, or two of them for a character beyond U+FFFF: RFC 8259 section 7.
local function unicode(text, at)
  local first, last = read_unit(text, at)
  if not first then fail(at, "\\u and four hexadecimal digits") end
  if first < 0xD800 or first > 0xDFFF then return utf8(first), last + 1 end
  local second, finish = read_unit(text, last + 1)
  if first > 0xDBFF or not second or second < 0xDC00 or second > 0xDFFF then
    fail(at, "a pair of surrogates, such as \\ud83d\\ude00")
  end
  return utf8(0x10000 + (first - 0xD800) * 1024 + second - 0xDC00), finish + 1
end

local function escaped(text, at)
  local letter = sub(text, at + 1, at + 1)
  if letter == "u" then return unicode(text, at) end
  return ESCAPES[letter] or fail(at, 'one of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u'), at + 2
end

-- A string that has escapes, or is wrong.
local function long_string(text, at)
  local parts = {}
  at = at + 1
  while true do
    local _, last = find(text, "^" .. PLAIN, at)
    parts[#parts + 1] = sub(text, at, last)
    at = last + 1
    local next_byte = byte(text, at)
    if next_byte == QUOTE then return table.concat(parts), at + 1 end
    if not next_byte then fail(at, "a quotation mark that ends the string") end
    if next_byte ~= BACKSLASH then fail(at, "no control character in a string") end
    parts[#parts + 1], at = escaped(text, at)
  end
end

local function read_string(text, at)
  local _, last, plain = find(text, STRING, at)
  if last then return plain, last + 1 end
  return long_string(text, at)
end

local function key(text, at)
  local _, last, plain = find(text, KEY, at)
  if last then return plain, last + 1 end
  if byte(text, at) ~= QUOTE then fail(at, "a key in quotes") end
  local name, after = read_string(text, at)
  _, last = find(text, "^[ \n\r\t]*:[ \n\r\t]*", after)
  if not last then fail(skip(text, after), '":"') end
  return name, last + 1
end

-- A member that is null is one that is not there, as Lua has it.
local function object(text, at, room)
  local result = {}
  at = skip(text, at + 1)
  if byte(text, at) == CLOSE_OBJECT then return result, at + 1 end
  while true do
    local name, item
    name, at = key(text, at)
    item, at = value(text, at, room)
    if item == null then result[name] = nil else result[name] = item end
    local _, last, mark = find(text, "^[ \n\r\t]*([,}])[ \n\r\t]*", at)
    if not last then fail(skip(text, at), '"," or "}"') end
    if mark == "}" then return result, last + 1 end
    at = last + 1
  end
end

local function list(text, at, room)
  local result, count = array({}), 0
  at = skip(text, at + 1)
  if byte(text, at) == CLOSE_ARRAY then return result, at + 1 end
  while true do
    count = count + 1
    result[count], at = value(text, at, room)
    local _, last, mark = find(text, "^[ \n\r\t]*([],])[ \n\r\t]*", at)
    if not last then fail(skip(text, at), '"," or "]"') end
    if mark == "]" then return result, last + 1 end
    at = last + 1
  end
end

local function word(text, at)
  local known = WORDS[sub(text, at, at)]
  local last = known and select(2, find(text, known[1], at))
  if not last then fail(at, "a value") end
  return known[2], last + 1
end

-- Where a number ends whose whole part ends at `last`.
local function end_of_number(text, at, last)
  local _, point, digits = find(text, "^%.(%d*)", last + 1)
  if digits == "" then fail(at, "digits after the point") end
  last = point or last
  local exponent
  _, exponent, digits = find(text, "^[eE][+-]?(%d*)", last + 1)
  if digits == "" then fail(at, "digits in the exponent") end
  return exponent or last
end

-- What LuaJIT does not read for the size of its exponent, but is nothing, or too near to it for a double to tell.
local function zero(text)
  local digits, exponent = text:match("^([^eE]+)[eE](.*)$")
  if not digits then return nil end
  if not digits:find("[1-9]") or tonumber(exponent) < -#digits - SMALLEST then return 0 end
end

local function number(text, at)
  local _, last, whole, more = find(text, "^(-?%d+)([.eE]?)", at)
  if not last then return word(text, at) end
  if find(whole, "^-?0%d") then fail(at, "a number without a leading 0") end
  if more ~= "" then last = end_of_number(text, at, last - 1) end
  local result = tonumber(sub(text, at, last)) or zero(sub(text, at, last))
  if not result or result - result ~= 0 then fail(at, "a number that a double can hold") end
  return result, last + 1
end

function value(text, at, room)
  local first = byte(text, at)
  if first == QUOTE then return read_string(text, at) end
  if first ~= OPEN_OBJECT and first ~= OPEN_ARRAY then return number(text, at) end
  if room == 0 then error({ at = at, is_deep = true }, 0) end
  if first == OPEN_OBJECT then return object(text, at, room - 1) end
  return list(text, at, room - 1)
end

--- Reads a text. Raises { at, expected, is_deep } where it is no JSON.
---@param text string
---@param max_depth integer arrays and objects in each other
---@return any value
function M.read(text, max_depth)
  local result, at = value(text, skip(text, find(text, "^\239\187\191") and 4 or 1), max_depth)
  at = skip(text, at)
  if at <= #text then fail(at, "the end") end
  return result
end

return M
