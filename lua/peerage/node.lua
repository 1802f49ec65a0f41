-- SPDX-License-Identifier: MIT
-- Node names and node tables: reads and checks what providers, configs and connectors hand over.
-- Invariant: values are read with raw access only, so no metamethod of theirs ever runs.
local describe = require("peerage.describe")
local find, format, gsub, sub = string.find, string.format, string.gsub, string.sub

local M = {}

---@class peerage.Node
---@field name string `name@host`, at most 255 bytes
---@field port? integer from 1 to 65535
---@field meta? table plain data

local MAX_NAME = 255 -- bytes; Erlang's limit for an atom
local MAX_META_DEPTH = 8 -- tables in tables; also what stops a cycle
local MAX_META_ITEMS = 1000 -- of one meta: one table may stand in it many times, and is copied each time
local NAME_CLASS, HOST_CLASS = "[%w_.+-]", "[%w_.:%%-]" -- the host's "%" is for "fe80::1%eth0"
local NAME_PATTERN = "^" .. NAME_CLASS .. "+@" .. HOST_CLASS .. "+$"
local EXPECTED = 'expected a node name like "app@10.0.0.1", found '

--- Whether `value` is a node name. Leaves no garbage.
---@param value any
---@return boolean
function M.is_name(value)
  return type(value) == "string" and #value <= MAX_NAME and find(value, NAME_PATTERN) ~= nil
end

--- Splits a node name at its `@`.
---@param name string a valid node name
---@return string name_part, string host_part
function M.split(name)
  local at = find(name, "@", 1, true)
  if not at then error("node.split: " .. EXPECTED .. describe.value(name), 2) end
  return sub(name, 1, at - 1), sub(name, at + 1)
end

local function stray_byte(part, class) return sub(gsub(part, class, ""), 1, 1) end

local function what_is_wrong(name)
  if #name > MAX_NAME then return format("it has %d bytes, %d are allowed", #name, MAX_NAME) end
  if name == "" then return "it is empty" end
  if not find(name, "@", 1, true) then return 'it has no "@"' end
  local before, host = M.split(name)
  if before == "" then return 'nothing stands before the "@"' end
  if host == "" then return 'nothing stands after the "@"' end
  local stray = stray_byte(before, NAME_CLASS)
  if stray ~= "" then return describe.text(stray) .. ' is not allowed before the "@"' end
  return describe.text(stray_byte(host, HOST_CLASS)) .. ' is not allowed after the "@"'
end

--- Checks a node name, with a message that says what is wrong with it.
---@param name any
---@return string? name
---@return string? message what was found and what was expected
function M.check_name(name)
  if M.is_name(name) then return name end
  local message = EXPECTED .. describe.value(name)
  if type(name) == "string" then message = message .. ": " .. what_is_wrong(name) end
  return nil, message
end

local function check_port(port)
  if port == nil then return true end
  if type(port) == "number" and port >= 1 and port <= 65535 and port % 1 == 0 then return true end
  local hint = type(port) == "string" and ": add tonumber" or ""
  return nil, "port: expected an integer from 1 to 65535, found " .. describe.value(port) .. hint
end

local function is_plain(value)
  local kind = type(value)
  return kind == "string" or kind == "boolean" or (kind == "number" and value - value == 0)
end

local function place(path, key)
  local shown = describe.key(key)
  return path .. (sub(shown, 1, 1) == "[" and "" or ".") .. shown
end

local function copy_data(from, path, depth, room)
  if depth > MAX_META_DEPTH then return nil, format("%s: tables are nested deeper than %d", path, MAX_META_DEPTH) end
  local copy = {}
  for key, value in next, from do
    room.items = room.items - 1
    if room.items < 0 then return nil, format("meta: it has more than %d items", MAX_META_ITEMS) end
    if not is_plain(key) then return nil, format("%s: expected plain keys, found %s", path, describe.value(key)) end
    if type(value) == "table" then
      local message
      value, message = copy_data(value, place(path, key), depth + 1, room)
      if not value then return nil, message end
    elseif not is_plain(value) then
      return nil, format("%s: expected plain data, found %s", place(path, key), describe.value(value))
    end
    copy[key] = value
  end
  return copy
end

--- Copies a node's meta, without metatables: strings, finite numbers, booleans, and tables of them.
---@param meta any nil stands for "none"
---@return table? copy nil when `meta` is nil
---@return string? message when it is not plain data, or has more than 1,000 items
---@return integer? items that were copied
function M.copy_meta(meta)
  if meta == nil then return nil end
  if type(meta) ~= "table" then return nil, "meta: expected a table, found " .. describe.value(meta) end
  local room = { items = MAX_META_ITEMS }
  local copy, message = copy_data(meta, "meta", 1, room)
  return copy, message, copy and MAX_META_ITEMS - room.items
end

--- Whether two metas say the same, tables in them compared by value. Leaves no garbage.
---@param known table? a copy that `copy_meta` made: it has no metatable, and so is read plainly, which is quicker
---@param other any
---@return boolean
function M.same_meta(known, other)
  if known == other then return true end
  if type(known) ~= "table" or type(other) ~= "table" then return false end
  local left = 0
  for _ in next, known do left = left + 1 end
  for key, value in next, other do
    local ours = known[key]
    if ours ~= value and (ours == nil or not M.same_meta(ours, value)) then return false end
    left = left - 1
  end
  return left == 0
end

--- Checks and copies what names a node: a string, or a table `{ name, port?, meta? }`; other keys are ignored.
---@param value any
---@return peerage.Node? node fresh and plain: no metatable, its meta copied
---@return string? message what was found and what was expected
---@return integer? items of its meta
function M.parse(value)
  if type(value) ~= "table" then
    local name, message = M.check_name(value)
    return name and { name = name }, message
  end
  local name, port = rawget(value, "name"), rawget(value, "port")
  if name == nil then
    local found = rawget(value, 1) ~= nil and "a list in the list" or "a table without a name"
    return nil, 'expected a node like { name = "app@10.0.0.1" }, found ' .. found
  end
  local ok, message = M.check_name(name)
  if not ok then return nil, "name: " .. message end
  ok, message = check_port(port)
  if not ok then return nil, message end
  local meta, items
  meta, message, items = M.copy_meta(rawget(value, "meta"))
  if message then return nil, message end
  return { name = name, port = port, meta = meta }, nil, items
end

return M
