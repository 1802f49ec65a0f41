-- SPDX-License-Identifier: MIT
-- Declarative option tables: a schema names the options that there are, and values are validated by it.
-- Invariant: values are read with raw access only, so no metamethod of theirs ever runs.
local describe = require("peerage.describe")
local nearest = require("peerage.nearest")
local option = require("peerage.option")

local M = {}

---@alias peerage.Schema table<string, peerage.Option>

--- The option names of a schema, sorted.
---@param schema peerage.Schema
---@return string[]
function M.names(schema)
  local names = {}
  for name in next, schema do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- Says that `key` is not an option, with the name that was probably meant, else with all that there are.
---@param key any
---@param schema peerage.Schema
---@param also? string[] more names that may have been meant
---@return string
function M.unknown(key, schema, also)
  if type(key) ~= "string" then return "unknown option " .. describe.key(key) .. ": options have names" end
  local known = M.names(schema)
  local meant = nearest(key, known) or nearest(key, also or {})
  local text = "unknown option " .. describe.text(key) .. ": "
  if meant then return text .. "did you mean " .. describe.text(meant) .. "?" end
  return text .. (#known > 0 and "known options are " .. table.concat(known, ", ") or "there are no options here")
end

--- Validates `values` by a schema that `check` has passed.
---@param schema peerage.Schema
---@param values any
---@param where string what messages begin with, such as "config.lua: clusters.web"
---@param also? string[] more names that an unknown key may have meant
---@return table|nil values a copy with defaults
---@return string? message
function M.validate(schema, values, where, also)
  if type(values) ~= "table" then return nil, where .. ": expected a table of options, found " .. describe.value(values) end
  for key in next, values do
    if rawget(schema, key) == nil then return nil, where .. ": " .. M.unknown(key, schema, also) end
  end
  local result = {}
  for _, name in ipairs(M.names(schema)) do
    local entry, value = schema[name], rawget(values, name)
    if value == nil then value = entry.default end
    if value ~= nil then
      local ok, valid = option.read(entry, value, where .. ": " .. name)
      if not ok then return nil, valid end
      result[name] = valid
    elseif entry.required then
      return nil, where .. ": " .. name .. ": expected " .. option.expected(entry) .. ", found nothing: it is required"
    end
  end
  return result
end

local ATTRIBUTES = {
  type = { type = { "string", "list" }, min = 1, required = true },
  default = { type = "any" },
  required = { type = "boolean" },
  min = { type = "number" },
  max = { type = "number" },
  values = { type = "list", min = 1 },
  of = { type = "table" },
  check = { type = "function" },
  secret = { type = "boolean" },
  doc = { type = "string" },
}

local function is_plain(value)
  return type(value) == "table" and getmetatable(value) == nil
end

local DEEPEST = 8 -- lists of lists; also what ends a schema that contains itself

local function check_types(entry, where)
  for _, name in ipairs(option.types_of(entry)) do
    if type(name) ~= "string" or option.types[name] == nil then
      local types = M.names(option.types)
      local meant = nearest(name, types)
      local hint = meant and "did you mean " .. describe.text(meant) .. "?" or "types are " .. table.concat(types, ", ")
      return nil, where .. ": type: unknown type " .. describe.value(name) .. ": " .. hint
    end
  end
  return true
end

--- The parts of an option that fit each other, its default included.
local function check_together(entry, where)
  if entry.min and entry.max and entry.min > entry.max then return nil, where .. ": min is greater than max" end
  if entry.required and entry.default ~= nil then return nil, where .. ": a required option has no default" end
  if entry.secret and entry.values then return nil, where .. ": a secret option has no values, which messages would show" end
  if entry.default == nil then return true end
  local ok, message = option.read(entry, entry.default, where .. ": default")
  if not ok then return nil, message end
  return true
end

local function check_option(entry, where, depth)
  if depth > DEEPEST then return nil, where .. ": nested more than " .. DEEPEST .. " levels deep" end
  if not is_plain(entry) then
    return nil, where .. ': expected a plain table such as { type = "string" }, found ' .. describe.value(entry)
  end
  local valid, message = M.validate(ATTRIBUTES, entry, where)
  if not valid then return nil, message end
  local ok
  ok, message = check_types(entry, where)
  if not ok then return nil, message end
  if entry.of ~= nil then
    ok, message = check_option(entry.of, where .. ": of", depth + 1)
    if not ok then return nil, message end
  end
  return check_together(entry, where)
end

--- Checks that a schema, which a provider's author wrote, is well formed.
---@param schema any
---@param where? string what messages begin with, if anything
---@return true|nil ok
---@return string? message
function M.check(schema, where)
  where = where and where .. ": " or ""
  if not is_plain(schema) then return nil, where .. "expected a plain table of options, found " .. describe.value(schema) end
  for name in next, schema do
    if type(name) ~= "string" then
      return nil, where .. "expected names as keys, found " .. describe.key(name)
    end
  end
  for _, name in ipairs(M.names(schema)) do
    local ok, message = check_option(schema[name], where .. name, 1)
    if not ok then return nil, message end
  end
  return true
end

return M
