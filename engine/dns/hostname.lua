-- SPDX-License-Identifier: MIT
--- Names that are looked up: what their text alone says. The last ones are remembered, as the same few come again.
local literal = require("engine.dns.core").literal
local byte, find, match = string.byte, string.find, string.match

local M = {}

local DOT = 46
local MAX_NAME, MAX_LABEL = 253, 63 -- bytes; RFC 1035 section 2.3.4
local MAX_KNOWN = 1024

local known, count = {}, 0

local function has_empty_label(name)
  return name == "" or byte(name) == DOT or byte(name, -1) == DOT or find(name, "..", 1, true) ~= nil
end

local function find_bad_label(name)
  if #name <= MAX_LABEL and not has_empty_label(name) then return nil end
  for label in (name .. "."):gmatch("([^.]*)%.") do
    if #label < 1 or #label > MAX_LABEL then
      return ('bad name "%s": a label of %d bytes, expected 1 to %d'):format(name, #label, MAX_LABEL)
    end
  end
end

-- Nearly all names are of these bytes only, which is quickly seen.
local function find_problem(name)
  if #name > MAX_NAME then return ("bad name: %d bytes, expected at most %d"):format(#name, MAX_NAME) end
  local at = not find(name, "^[%w._-]+$") and find(name, "[%z\1-\32:\\\127-\255]")
  if not at then return name ~= "." and find_bad_label(name) or nil end
  if byte(name, at) == 0 then return "bad name: it has a zero byte" end
  return ('bad name: byte 0x%02x after "%s", expected a host name'):format(byte(name, at), name:sub(1, at - 1))
end

-- An address of IPv4 begins with a digit, one of IPv6 has a colon.
local function read_address(name)
  if not (find(name, "^%d") or find(name, ":", 1, true)) then return nil end
  local address = literal(name)
  return address and address .. (match(name, "%%.*") or "")
end

local function read(text)
  local is_absolute = byte(text, -1) == DOT
  local name = is_absolute and #text > 1 and text:sub(1, -2) or text
  local key = name:lower()
  return {
    name = name, key = key, is_absolute = is_absolute, problem = find_problem(name),
    address = read_address(name),
    is_localhost = key == "localhost" or find(key, ".localhost", -10, true) ~= nil,
  }
end

---@class engine.dns.Hostname
---@field name string as it was given, without the dot that says that it is absolute
---@field key string in lower case
---@field is_absolute boolean
---@field address string? of a literal
---@field is_localhost boolean localhost and all below it (RFC 6761 section 6.3)
---@field problem string? why no server can be asked for it

---@param text string
---@return engine.dns.Hostname host one and the same for the same text
function M.parse(text)
  local host = known[text]
  if host then return host end
  host = read(text)
  if #text > MAX_NAME then return host end
  if count == MAX_KNOWN then
    known, count = {}, 0
  end
  known[text], count = host, count + 1
  return host
end

return M
