-- SPDX-License-Identifier: MIT
-- Values that a config names now and that are resolved at start and at every reload.
-- Invariant: an environment variable's value never appears in a message, and an unset one never passes for a value.
local describe = require("peerage.describe")

local M = {}

local SHOWN_KEYS = 12 -- of a path, from its end
local DEEPEST = 200 -- levels of tables and of deferred values inside one another
local MARK = "<deferred " -- how the text of an unresolved value begins: such a text in a config is a mistake
local ABSENT = {} -- what `system("S", false)` resolves to: its key is left out

---@class peerage.Deferred: userdata a value that is resolved later; `..` joins it with strings and its like

local specs = setmetatable({}, { __mode = "k" }) -- deferred value -> { label, resolve(state) }
local prototype = newproxy(true)
local meta = getmetatable(prototype)
meta.__metatable = "deferred value"

local function new(label, resolve)
  local object = newproxy(prototype)
  specs[object] = { label = label, resolve = resolve }
  return object
end

local function misused(object, how)
  local label = specs[object].label
  return label .. " is resolved later and cannot be " .. how .. " here: convert it where it stands, as in "
    .. 'system("PORT", tonumber), or compute with apply(fn, ' .. label .. ")"
end

local function refuse(how)
  return function(a, b) error(misused(specs[a] and a or b, how), 2) end
end

for event, how in pairs({
  add = "added to", sub = "subtracted", mul = "multiplied", div = "divided", mod = "divided", pow = "raised to a power",
  unm = "negated", lt = "compared", le = "compared", eq = "compared", len = "measured", call = "called",
  index = "indexed", newindex = "changed",
}) do
  meta["__" .. event] = refuse(how)
end

function meta.__tostring(object)
  return MARK .. specs[object].label .. ">"
end

local walk

local function joinable(state, part)
  local value, message = walk(state, part)
  if value == nil then return nil, message end
  if value == ABSENT then return nil, specs[part].label .. " has no value to join: give it a default" end
  if type(value) == "string" or type(value) == "number" then return value end
  return nil, "expected a string to join, found a " .. type(value)
end

local function check_part(part)
  if specs[part] or type(part) == "string" or type(part) == "number" then return end
  error("expected a string to join with a deferred value, found " .. describe.value(part), 3)
end

function meta.__concat(a, b)
  check_part(a)
  check_part(b)
  return new(specs[specs[a] and a or b].label, function(state)
    local left, message = joinable(state, a)
    if left == nil then return nil, message end
    local right
    right, message = joinable(state, b)
    return right ~= nil and left .. right or nil, message
  end)
end

local function convert_variable(name, text, convert)
  local ok, value = pcall(convert, text)
  if not ok then return nil, "environment variable " .. name .. ": its conversion raised an error" end
  if value == nil then return nil, "environment variable " .. name .. ": its conversion returned nil" end
  return value
end

--- The (default, conversion) of system's four forms.
local function system_form(name, count, second, third)
  local function wrong(text) error("system(" .. describe.literal(name) .. "): " .. text, 4) end
  if count > 2 then wrong("expected at most a name, a default and a conversion") end
  if count == 2 and type(third) ~= "function" then
    wrong("expected a function as its conversion, found " .. describe.value(third))
  end
  if count == 1 and second == nil then wrong("its default or conversion is nil: is it spelt right?") end
  if count == 1 and type(second) == "function" then return nil, second end
  return second, third
end

--- An environment variable: `system(name)`, `(name, conversion)`, `(name, default)`, `(name, default, conversion)`. The default
--- is not converted; the default `false` leaves the key out. Raises on a wrong call.
---@param name string
---@param ... any
---@return peerage.Deferred
function M.system(name, ...)
  if type(name) ~= "string" or name == "" then
    error("system: expected the name of an environment variable, found " .. describe.value(name), 2)
  end
  local default, convert = system_form(name, select("#", ...), ...)
  local shown = describe.key(name)
  return new("system(" .. describe.text(name) .. ")", function(state)
    local text = state.getenv(name)
    state.reads = state.reads + 1
    if text ~= nil and text ~= "" then
      if not convert then return text end
      return convert_variable(shown, text, convert)
    end
    if default == false then return ABSENT end
    if default ~= nil then return default end
    return nil, "environment variable " .. shown .. " is not set" .. (text and " (it is empty)" or "")
  end)
end

M.env = M.system

local function resolve_arguments(state, arguments)
  local values = {}
  for i = 1, arguments.n do
    local argument = arguments[i]
    if argument ~= nil then
      local value, message = walk(state, argument)
      if value == nil then return nil, message end
      if value == ABSENT then value = false end
      values[i] = value
    end
  end
  return values
end

--- What `fn(…)` returns at the time; deferred arguments are resolved before. Nil is an error, with the reason that `fn` returned.
---@param fn function
---@param ... any
---@return peerage.Deferred
function M.apply(fn, ...)
  if type(fn) ~= "function" then error("apply: expected a function, found " .. describe.value(fn), 2) end
  local arguments = { n = select("#", ...), ... }
  return new("apply(fn)", function(state)
    local reads = state.reads
    local values, message = resolve_arguments(state, arguments)
    if not values then return nil, message end
    local ok, value, reason = pcall(fn, unpack(values, 1, arguments.n))
    if ok and value ~= nil then return value end
    if not ok then reason = value end
    local told = type(reason) == "string" and state.reads == reads -- a reason could quote a variable that was an argument
    return nil, "apply: the function " .. (ok and "returned nil" or "raised an error") .. (told and ": " .. describe.message(reason) or "")
  end)
end

--- `tonumber` for configs: `tonumber(system("PORT"))` would be a silent nil.
---@return number|nil
function M.tonumber(value, ...)
  if specs[value] then error(misused(value, "converted"), 2) end
  return tonumber(value, ...)
end

local function walk_item(state, copy, key, item, position)
  state.path[#state.path + 1] = key
  local value, message = walk(state, item)
  if value == nil then return nil, message end
  state.path[#state.path] = nil
  if value ~= ABSENT then copy[position] = value end
  return true
end

local function walk_table(state, original)
  if state.copies[original] then return state.copies[original] end
  local copy, length = {}, 0
  state.copies[original] = copy
  local ok, message = true, nil
  while ok and rawget(original, length + 1) ~= nil do
    length = length + 1
    ok, message = walk_item(state, copy, length, rawget(original, length), #copy + 1)
  end
  for key, item in next, original do
    if not ok then return nil, message end
    if specs[key] then return nil, specs[key].label .. " cannot be a key" end
    local listed = type(key) == "number" and key >= 1 and key <= length and key % 1 == 0
    if not listed then ok, message = walk_item(state, copy, key, item, key) end
  end
  if not ok then return nil, message end
  return copy
end

local function walk_deferred(state, object)
  local value, message = specs[object].resolve(state)
  if value == nil or value == ABSENT then return value, message end
  return walk(state, value)
end

local function walk_leaf(value)
  if type(value) == "string" and string.find(value, MARK, 1, true) then
    return nil, 'a deferred value was made text before it was resolved: join it with ".." instead'
  end
  if type(value) == "number" and value - value ~= 0 then
    return nil, "expected a finite number, found " .. describe.literal(value)
  end
  return value
end

--- The resolved value or ABSENT; nil and a message on failure, with the failing key's path left in `state`.
function walk(state, value)
  local nested = specs[value] and walk_deferred or type(value) == "table" and walk_table
  if not nested then return walk_leaf(value) end
  if state.depth == DEEPEST then return nil, "nested more than " .. DEEPEST .. " levels deep" end
  state.depth = state.depth + 1
  local result, message = nested(state, value)
  state.depth = state.depth - 1
  return result, message
end

--- `config.lua: clusters.web: node_list[2]`
local function location(where, path)
  local parts = #path > SHOWN_KEYS and { "…" } or {}
  for i = math.max(1, #path - SHOWN_KEYS + 1), #path do
    local key = path[i]
    if type(key) == "number" and #parts > 0 then
      parts[#parts] = parts[#parts] .. describe.key(key)
    else
      parts[#parts + 1] = describe.key(key)
    end
  end
  local last = table.remove(parts)
  local text = #parts > 0 and table.concat(parts, ".") .. ": " .. last or last
  return text and where .. ": " .. text or where
end

--- A plain copy of `value` without metatables, each deferred value in it replaced by what it stands for. Lists close up where an
--- item is left out. Numbers that are not finite are refused. Nil without a message: the value itself was left out.
---@param value any
---@param where string what messages begin with
---@param getenv? fun(name: string): string|nil `os.getenv` unless given
---@return any value, string? message
function M.resolve(value, where, getenv)
  if value == nil then return nil end
  local state = { getenv = getenv or os.getenv, reads = 0, copies = {}, path = {}, depth = 0 }
  local result, message = walk(state, value)
  if result == nil then return nil, location(where, state.path) .. ": " .. message end
  if result == ABSENT then return nil end
  return result
end

return M
