-- SPDX-License-Identifier: MIT
--- Escaping for terminals and for JSON. Invariant: what comes out is UTF-8 without controls, line separators or what
--- reorders a line; a newline and a tab stay in text. The time is linear in the length, whatever the bytes.
local byte, char, find, gsub, sub = string.byte, string.char, string.find, string.gsub, string.sub

local M = {}

-- What may have to be replaced is a byte together with the continuation bytes after it.
local IN_TEXT, IN_JSON = "[%c\128-\255][\128-\191]*", '[%c"\\\128-\255][\128-\191]*'

-- Well-formed characters of several bytes, by their first: RFC 3629 section 4.
local forms = {}

local function add_forms(first, last, rest)
  for lead = first, last do forms[char(lead)] = "^." .. rest end
end

add_forms(0xC2, 0xDF, "[\128-\191]")
add_forms(0xE0, 0xEF, "[\128-\191][\128-\191]")
add_forms(0xE0, 0xE0, "[\160-\191][\128-\191]")
add_forms(0xED, 0xED, "[\128-\159][\128-\191]")
add_forms(0xF0, 0xF4, "[\128-\191][\128-\191][\128-\191]")
add_forms(0xF0, 0xF0, "[\144-\191][\128-\191][\128-\191]")
add_forms(0xF4, 0xF4, "[\128-\143][\128-\191][\128-\191]")

-- The C1 controls, marks of direction, separators of lines and paragraphs, embeddings, overrides, isolates.
local HARMFUL = { { 0x80, 0x9F }, { 0x200E, 0x200F }, { 0x2028, 0x202E }, { 0x2066, 0x2069 } }

local function encode(code)
  if code < 0x800 then return char(0xC0 + math.floor(code / 64), 0x80 + code % 64) end
  return char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

-- What stands for a chunk that is not in the table: its character stays if it is one, and is not harmful.
local function replace(replacements, chunk)
  local form = forms[sub(chunk, 1, 1)]
  local _, last = find(chunk, form or "^$")
  if not last then return (gsub(chunk, ".", replacements)) end
  local character = sub(chunk, 1, last)
  return (rawget(replacements, character) or character) .. gsub(sub(chunk, last + 1), ".", replacements)
end

-- Replacements of all single bytes and harmful characters; of other chunks when they are asked for.
local function new_replacements(of_byte, of_character)
  local replacements = {}
  for value = 0, 255 do replacements[char(value)] = of_byte(value) end
  for _, range in ipairs(HARMFUL) do
    for code = range[1], range[2] do replacements[encode(code)] = of_character(code) end
  end
  return setmetatable(replacements, { __index = replace })
end

local function as_hex(value) return ("\\x%02x"):format(value) end

local text = new_replacements(as_hex, function(code) return (gsub(encode(code), ".", function(one) return as_hex(byte(one)) end)) end)
text["\n"], text["\t"] = "\n", "\t"

local function as_json(value) return ("\\u%04x"):format(value) end

local json = new_replacements(function(value) return as_json(value < 0x80 and value or 0xFFFD) end, as_json)
json["\n"], json['"'], json["\\"] = "\\n", '\\"', "\\\\"

--- For a terminal or a file: \x1b for each byte that is harmful or none of UTF-8.
---@param message string
---@return string
function M.text(message)
  if not find(message, IN_TEXT) then return message end
  return (gsub(message, IN_TEXT, text))
end

--- For the inside of a JSON string: \u001b for a harmful character, U+FFFD for each byte that is none of UTF-8.
---@param message string
---@return string
function M.json(message)
  if not find(message, IN_JSON) then return message end
  return (gsub(message, IN_JSON, json))
end

return M
