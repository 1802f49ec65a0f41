-- SPDX-License-Identifier: MIT
--- Writes JSON. Invariant: what comes out is UTF-8 on one line, and the same for the same value; what cannot be written is
--- raised as a table { path, message }.
local escape = require("engine.log.escape").json
local kinds = require("engine.json.kinds")
local find, format = string.find, string.format

local M = {}

local SPECIAL = '[%c"\\\128-\255]' -- what has to be escaped is among these
local LARGEST_INTEGER = 2 ^ 53
local PLAIN_KEY = "^[%a_][%w_]*$"

local write -- of any kind

local function fail(path, message)
  local steps = { "value" }
  for i, step in ipairs(path) do
    if type(step) == "number" then
      steps[i + 1] = "[" .. step .. "]"
    else
      steps[i + 1] = find(step, PLAIN_KEY) and "." .. step or format("[%q]", step)
    end
  end
  error({ path = table.concat(steps), message = message }, 0)
end

-- With as many digits as bring the same number back.
local function number(value, path)
  if value - value ~= 0 then fail(path, "JSON has no " .. tostring(value)) end
  if value % 1 == 0 and value < LARGEST_INTEGER and value > -LARGEST_INTEGER then return format("%.0f", value) end
  for digits = 15, 16 do
    local text = format("%." .. digits .. "g", value)
    if tonumber(text) == value then return text end
  end
  return format("%.17g", value)
end

local function quoted(text) return '"' .. (find(text, SPECIAL) and escape(text) or text) .. '"' end

local function inside(path, step, parts, value, room)
  path[#path + 1] = step
  write(value, path, parts, room)
  path[#path] = nil
end

local function list(value, path, parts, room)
  local count = 0
  for index in next, value do
    if type(index) ~= "number" then fail(path, "expected a list or an object, found a table that is both") end
    count = count + 1
  end
  parts[#parts + 1] = "["
  for i = 1, count do
    if rawget(value, i) == nil then fail(path, "expected a list without holes, item " .. i .. " is nil") end
    if i > 1 then parts[#parts + 1] = "," end
    inside(path, i, parts, rawget(value, i), room)
  end
  parts[#parts + 1] = "]"
end

local function sorted_keys(value, path)
  local names = {}
  for name in next, value do
    if type(name) ~= "string" then fail(path, "expected strings as keys, found a " .. type(name)) end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function object(value, path, parts, room)
  parts[#parts + 1] = "{"
  for i, name in ipairs(sorted_keys(value, path)) do
    parts[#parts + 1] = (i > 1 and "," or "") .. quoted(name) .. ":"
    inside(path, name, parts, rawget(value, name), room)
  end
  parts[#parts + 1] = "}"
end

function write(value, path, parts, room)
  local kind = type(value)
  if kind == "string" then
    parts[#parts + 1] = quoted(value)
  elseif kind == "number" then
    parts[#parts + 1] = number(value, path)
  elseif kind == "boolean" then
    parts[#parts + 1] = tostring(value)
  elseif value == kinds.null then
    parts[#parts + 1] = "null"
  elseif kind ~= "table" then
    fail(path, "expected plain data, found " .. (value == nil and "nothing" or "a " .. kind))
  elseif room == 0 then
    fail({}, "expected at most " .. kinds.deepest .. " tables in each other, found more, or one in itself")
  elseif kinds.is_array(value) or rawget(value, 1) ~= nil then
    list(value, path, parts, room - 1)
  else
    object(value, path, parts, room - 1)
  end
end

--- Writes a value. Raises { path, message } where it cannot be.
---@param value any
---@return string
function M.write(value)
  local parts = {}
  write(value, {}, parts, kinds.deepest)
  return table.concat(parts)
end

return M
