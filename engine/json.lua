-- SPDX-License-Identifier: MIT
--- JSON, with limits. Invariant: nothing is set for the whole process, so no provider can change it for another.
local decoding = require("engine.json.decode")
local encoding = require("engine.json.encode")
local kinds = require("engine.json.kinds")
local options = require("engine.options")
local find, sub = string.find, string.sub

local M = { null = kinds.null, is_array = kinds.is_array }

local MOST = 1024 * 1024 * 1024 -- bytes
local RULES = {
  max_depth = { "integer", 1, kinds.deepest, default = 100 },
  max_size = { "integer", 1, MOST, default = 16 * 1024 * 1024 },
}
local DEFAULTS = options.read(nil, RULES, 1)

-- What stands at a place of the text: a word, a character, a byte that is none.
local function found(text, at)
  if at > #text then return "the end" end
  local shown = sub(text, at, at + 19):match("^[%w_.+-]+") or sub(text, at, at)
  if find(shown, "^%c") or find(shown, "^[\128-\255]") then return ("the byte 0x%02X"):format(shown:byte()) end
  return shown == '"' and "a quotation mark" or '"' .. shown .. '"'
end

local function place(text, at)
  local line, start = 1, 1
  for after in text:sub(1, at - 1):gmatch("\n()") do line, start = line + 1, after end
  return ("line %d, column %d"):format(line, at - start + 1)
end

--- Reads a text. A wrong call raises.
---@param text string
---@param limits? { max_depth: integer?, max_size: integer? }
---@return any value
---@return string? message
---@return string? code "EBADMSG": no JSON; "EMSGSIZE": over a limit
function M.decode(text, limits)
  if type(text) ~= "string" then error("bad text: string expected, found a " .. type(text), 2) end
  limits = limits == nil and DEFAULTS or options.read(limits, RULES, 2)
  if #text > limits.max_size then
    return nil, ("it has %d bytes, expected at most %d"):format(#text, limits.max_size), "EMSGSIZE"
  end
  local ok, result = pcall(decoding.read, text, limits.max_depth)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  if result.is_deep then
    return nil, ("%s: nested deeper than %d levels"):format(place(text, result.at), limits.max_depth), "EMSGSIZE"
  end
  return nil, ("%s: expected %s, found %s"):format(place(text, result.at), result.expected, found(text, result.at)), "EBADMSG"
end

--- Writes a value on one line, keys sorted.
---@param value any
---@return string? text
---@return string? message where what is that cannot be written
function M.encode(value)
  local ok, result = pcall(encoding.write, value)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  return nil, result.path .. ": " .. result.message
end

--- Marks a list as an array, so that it is one when it is empty, too.
---@generic T: table
---@param list T
---@return T list the same
function M.array(list)
  if type(list) ~= "table" then error("bad list: table expected, found a " .. type(list), 2) end
  return kinds.array(list)
end

return M
