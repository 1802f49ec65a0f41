-- SPDX-License-Identifier: MIT
-- One option of a schema: reads a value by it and says what was found and what was expected.
-- Invariant: values are read with raw access only, so no metamethod of theirs ever runs.
local describe = require("peerage.describe")
local nearest = require("peerage.nearest")
local node = require("peerage.node")

local M = {}

---@alias peerage.Type "string"|"integer"|"number"|"boolean"|"function"|"table"|"list"|"range"|"node"|"path"|"any"

---@class peerage.Option
---@field type peerage.Type|peerage.Type[] "range" is a number or { min, max }, read as { min, max }; a "path" begins at
---the config's folder
---@field default? any used when the option is not given; validated like a given one
---@field required? boolean
---@field min? number of a number, of both ends of a range; of a string in bytes, of a list in items
---@field max? number
---@field values? any[] the only values allowed
---@field of? peerage.Option what each item of a list is
---@field check? fun(value: any): any, string? a false or nil answer refuses the value
---@field secret? boolean the value never appears in a message
---@field doc? string

local LARGEST_INTEGER = 2 ^ 53
local LONGEST_HINT = 60 -- bytes of a string that is shown as a list

local function is_finite(value)
  return type(value) == "number" and value - value == 0
end

local function is_within(option, size)
  return not (option.min and size < option.min) and not (option.max and size > option.max)
end

--- ` from 1 to 5`, ` of at least 0.1`, ` of at most 16 bytes`; `unit` is of a size, nil for a number.
local function limits(option, unit)
  local min, max = option.min and describe.literal(option.min), option.max and describe.literal(option.max)
  local last = max or min
  if not last then return "" end
  local ending = unit and " " .. unit .. (last == "1" and "" or "s") or ""
  if min and max then return (unit and " of " or " from ") .. min .. " to " .. max .. ending end
  return (min and " of at least " or " of at most ") .. last .. ending
end

local phrases = {
  string = function(option) return "a string" .. limits(option, "byte") end,
  integer = function(option) return "an integer" .. limits(option) end,
  number = function(option) return "a number" .. limits(option) end,
  boolean = function() return "true or false" end,
  ["function"] = function() return "a function" end,
  table = function() return "a table" end,
  list = function(option) return "a list" .. limits(option, "item") end,
  range = function(option) return "a number or { min, max }" .. limits(option) end,
  node = function() return 'a node such as "app@10.0.0.1"' end,
  path = function() return "a path" end,
  any = function() return "a value" end,
}

local is_numeric = { integer = true, number = true, range = true }

--- The names of all types.
---@type table<peerage.Type, any>
M.types = phrases

--- The types that a value of this option may have.
---@param option peerage.Option
---@return peerage.Type[]
function M.types_of(option)
  return type(option.type) == "table" and option.type or { option.type }
end

local function wants_number(option)
  for _, name in ipairs(M.types_of(option)) do
    if is_numeric[name] then return true end
  end
  return false
end

--- What is expected, such as `an integer from 1 to 65535` or `"text" or "json"`.
---@param option peerage.Option
---@return string
function M.expected(option)
  local list = {}
  if option.values then
    for i, value in ipairs(option.values) do list[i] = describe.literal(value) end
  else
    for i, name in ipairs(M.types_of(option)) do list[i] = phrases[name](option) end
  end
  local last = table.remove(list)
  return #list > 0 and table.concat(list, ", ") .. " or " .. last or last
end

local function found(option, value)
  if option.secret and value ~= nil then
    return type(value) == "string" and "a string of " .. #value .. " bytes" or "a " .. type(value)
  end
  local plain = type(value) == "number" and wants_number(option)
  return plain and describe.literal(value) or describe.value(value)
end

-- The list that a string was probably meant as: { "./nodes.sh", "--all" }.
local function as_list(value)
  local words = {}
  for word in string.gmatch(value, "%S+") do words[#words + 1] = describe.text(word) end
  return "{ " .. table.concat(words, ", ") .. " }"
end

local function hint(option, value)
  if type(value) ~= "string" then return "" end
  if option.type == "list" and not option.secret and #value <= LONGEST_HINT then return ": write " .. as_list(value) end
  local candidate = option.values and nearest(value, option.values)
  if candidate then return ": did you mean " .. describe.text(candidate) .. "?" end
  if not wants_number(option) or not is_finite(tonumber(value)) then return "" end
  return ': add tonumber, as in system("NAME", tonumber)'
end

local function mismatch(option, value, where)
  return where .. ": expected " .. M.expected(option) .. ", found " .. found(option, value) .. hint(option, value)
end

--- Each reader answers true and the value to use, or false and a message where it has a better one than "expected …, found …".
local readers = {}

for _, kind in ipairs({ "boolean", "function", "table" }) do
  readers[kind] = function(value)
    if type(value) ~= kind then return false end
    return true, value
  end
end

function readers.any(value) return true, value end

function readers.string(value, option)
  if type(value) ~= "string" or not is_within(option, #value) then return false end
  return true, value
end

function readers.path(value)
  if type(value) ~= "string" or value == "" or string.find(value, "%z") then return false end
  return true, value
end

function readers.number(value, option)
  if not is_finite(value) or not is_within(option, value) then return false end
  return true, value
end

function readers.integer(value, option)
  if not is_finite(value) or value % 1 ~= 0 or math.abs(value) > LARGEST_INTEGER then return false end
  return readers.number(value, option)
end

function readers.range(value, option, where)
  if type(value) == "number" then value = { value, value } end
  if type(value) ~= "table" then return false end
  local low, high = rawget(value, 1), rawget(value, 2)
  if not is_finite(low) or not is_finite(high) then return false end
  if low <= high and is_within(option, low) and is_within(option, high) then return true, { low, high } end
  local shown = low == high and describe.literal(low) or "{ " .. describe.literal(low) .. ", " .. describe.literal(high) .. " }"
  return false, where .. ": expected " .. M.expected(option) .. ", found " .. shown
end

function readers.node(value, _, where)
  local parsed, message = node.parse(value)
  if not parsed then return false, where .. ": " .. message end
  return true, type(value) == "string" and value or parsed
end

local function list_length(value, where)
  local count = 0
  for key in next, value do
    if type(key) ~= "number" or key % 1 ~= 0 or key < 1 then
      return nil, where .. ": expected a list, found the key " .. describe.key(key)
    end
    count = count + 1
  end
  for i = 1, count do
    if rawget(value, i) == nil then return nil, where .. ": expected a list without holes, item " .. i .. " is nil" end
  end
  return count
end

function readers.list(value, option, where)
  if type(value) ~= "table" then return false end
  local count, message = list_length(value, where)
  if not count then return false, message end
  if not is_within(option, count) then
    return false, where .. ": expected " .. M.expected(option) .. ", found " .. count .. " items"
  end
  local items = {}
  for i = 1, count do
    local ok, item = true, rawget(value, i)
    if option.of then ok, item = M.read(option.of, item, where .. "[" .. i .. "]") end
    if not ok then return false, item end
    items[i] = item
  end
  return true, items
end

local function is_allowed(option, value)
  if not option.values then return true end
  for _, allowed in ipairs(option.values) do
    if rawequal(allowed, value) then return true end
  end
  return false
end

local function accept(option, value, given, where)
  if not is_allowed(option, value) then return false, mismatch(option, given, where) end
  if not option.check then return true, value end
  local ran, ok, message = pcall(option.check, value)
  if ran and ok then return true, value end
  if not ran then message = "its check raised: " .. (type(ok) == "string" and describe.message(ok) or describe.value(ok)) end
  if type(message) == "string" then return false, where .. ": " .. describe.message(message) end
  return false, where .. ": refused by its check, found " .. found(option, given)
end

--- Reads a value of this option.
---@param option peerage.Option
---@param value any
---@param where string the option's place, such as "config.lua: port"
---@return boolean ok
---@return any value the value to use, or the message
function M.read(option, value, where)
  local message
  for _, name in ipairs(M.types_of(option)) do
    local ok, result = readers[name](value, option, where)
    if ok then return accept(option, result, value, where) end
    message = message or result
  end
  return false, message or mismatch(option, value, where)
end

return M
