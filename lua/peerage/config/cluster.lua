-- SPDX-License-Identifier: MIT
-- The settings of one cluster: its keys, the grammar of `via` and `connect`, and where their options may stand.
local describe = require("peerage.describe")
local nearest = require("peerage.nearest")
local schema = require("peerage.schema")

local M = {}

---@class peerage.Via
---@field target string|function|table name or path, a function, or a table with the function `poll` (or `connect`)
---@field options table<string, any> as they stand in the config
---@field where string where the options stand, for messages
---@field flat? boolean of a provider: its options stood beside `via`
---@field default? boolean nothing was written
---@field places? { where: string, options: table }[] where a shared connector's options stand, if not all at `where`

---@class peerage.ClusterContext what holds for every cluster of a config
---@field path string the config's
---@field known string[] every key that a wrong one may have meant
---@field is_named boolean the node was given a name

---@class peerage.ClusterConfig: table<string, any> each key of `M.keys` with its value; `memory_limit` in bytes
---@field name string
---@field via peerage.Via
---@field connect peerage.Via

local YEAR = 365 * 86400 -- seconds; keeps every time far from what a timer can hold
local MEGABYTE = 1024 * 1024
local UNITS = { kb = 1024, mb = MEGABYTE, gb = 1024 * MEGABYTE, kib = 1024, mib = MEGABYTE, gib = 1024 * MEGABYTE }

--- Bytes of `64 MB`, `1GB`, or of a plain number.
local function bytes(value)
  if type(value) == "number" then return math.floor(value) end
  local count, unit = string.match(value, "^([%d.]+)%s*(%a+)$")
  count, unit = tonumber(count), UNITS[string.lower(unit or "")]
  return count and unit and math.floor(count * unit)
end

local function check_memory(value)
  local count = bytes(value)
  if count and count >= MEGABYTE and count <= 1024 * 1024 * MEGABYTE then return true end
  local hint = type(value) == "number" and value > 0 and value < 4096 and ': did you mean "' .. value .. ' MB"?' or ""
  return nil, 'expected a number of bytes or a text like "64 MB", from 1 MB to 1024 GB, found ' .. describe.literal(value) .. hint
end

local function seconds(default, min)
  return { type = "number", default = default, min = min, max = YEAR }
end

--- The keys of a cluster.
---@type peerage.Schema
M.keys = {
  via = { type = "any", doc = "provider" },
  connect = { type = "any", doc = "connector" },
  interval = seconds(10, 0.1),
  sync_offset = { type = "number", default = 500, min = 0, max = YEAR * 1000, doc = "milliseconds before the first poll" },
  timeout = seconds(5, 0.001),
  connect_timeout = seconds(5, 0.001),
  serves = { type = "boolean" },
  log_results = { type = "boolean", default = true },
  prune = { type = "any", default = false, values = { false, true, "always" } },
  prune_after = { type = "integer", default = 3, min = 1, max = 1000000 },
  on_up = { type = "function" },
  on_down = { type = "function" },
  on_change = { type = "function" },
  budget = seconds(1, 0.001),
  memory_limit = { type = { "number", "string" }, default = "64 MB", check = check_memory },
}

-- What connects when a config has no `connect`: to be given a name is to be a node, as for `iex --name`.
local function default_connector(is_named) return is_named and "erlang" or "none" end

local function only_named(list, where, wanted)
  local options = {}
  for key, value in next, list do
    if key ~= 1 then
      if type(key) ~= "string" then
        return nil, where .. ": unexpected item " .. describe.key(key) .. ": expected " .. wanted
      end
      options[key] = value
    end
  end
  return options
end

local LONGEST_NAME = 1024 -- bytes of a provider's or connector's name or path

local function is_name(value)
  return type(value) == "string" and value ~= "" and #value <= LONGEST_NAME and not string.find(value, "%c")
end

local function what_is_odd(value)
  if type(value) ~= "string" or value == "" then return "" end
  if #value > LONGEST_NAME then return (": it has %d bytes, %d are allowed"):format(#value, LONGEST_NAME) end
  return ": it has a control byte"
end

--- Reads `via` (whose function is `poll`) or `connect`.
local function read_target(value, member, where)
  local wanted = 'a name, a function, { "name", option = … } or a table with the function ' .. member
  if is_name(value) or type(value) == "function" then return { target = value, options = {}, where = where } end
  if type(value) ~= "table" then
    return nil, where .. ": expected " .. wanted .. ", found " .. describe.literal(value) .. what_is_odd(value)
  end
  local first, own = rawget(value, 1), rawget(value, member)
  if is_name(first) then
    local options, message = only_named(value, where, '{ ' .. describe.text(first) .. ', option = … }')
    return options and { target = first, options = options, where = where, in_table = true }, message
  end
  if first ~= nil then
    return nil, where .. ": expected a name as its first item, found " .. describe.value(first) .. what_is_odd(first)
  end
  if type(own) == "function" then return { target = value, options = {}, where = where } end
  local lack = own == nil and "a table without " .. member .. " and without a name"
    or "a table whose " .. member .. " is " .. describe.value(own)
  return nil, where .. ": expected " .. wanted .. ", found " .. lack
end

--- Keys that are neither the cluster's nor the engine's: the provider's options, where `via` is not a table with its own.
local function take_options(via, extra, where, known)
  if not via.in_table then
    via.options, via.flat, via.where = extra, true, where
    return true
  end
  local key = next(extra)
  if key == nil then return true end
  local meant = nearest(key, known)
  local hint = meant and "did you mean " .. describe.text(meant) .. "?"
    or 'a provider\'s options stand in via = { ' .. describe.text(via.target) .. ', … } here'
  return nil, where .. ": unknown key " .. describe.text(key) .. ": " .. hint
end

local function split(values, where)
  local settings, extra = {}, {}
  for key, value in next, values do
    if type(key) ~= "string" then
      return nil, where .. ": unexpected item " .. describe.key(key) .. " (" .. describe.literal(value) .. "): expected key = value"
    end
    local into = M.keys[key] and settings or extra
    into[key] = value
  end
  return settings, extra
end

--- `via` and `connect` by their grammar; one that stands at the top level is named as there.
local function read_targets(settings, own, context, name)
  for key, member in pairs({ via = "poll", connect = "connect" }) do
    local written = settings[key]
    local value = written
    if value == nil then value = key == "via" and "self" or default_connector(context.is_named) end
    local is_own = name and (own[key] ~= nil or written == nil)
    local where = context.path .. ": " .. (is_own and "clusters." .. name .. "." or "") .. key
    local target, message = read_target(value, member, where)
    if not target then return nil, message end
    target.default = written == nil
    settings[key] = target
  end
  return true
end

--- Reads the settings of a cluster.
---@param values table what stands in it
---@param outer table keys of clusters that stand at the top level: the defaults
---@param name? string nil for a flat config
---@param context peerage.ClusterContext
---@return peerage.ClusterConfig|nil settings
---@return string? message
function M.read(values, outer, name, context)
  local where = name and context.path .. ": clusters." .. name or context.path
  local own, extra = split(values, where)
  if not own then return nil, extra end
  local all = {}
  for key in next, M.keys do
    all[key] = own[key]
    if all[key] == nil then all[key] = outer[key] end
  end
  local settings, message = schema.validate(M.keys, all, where)
  if not settings then return nil, message end
  settings.name, settings.memory_limit = name or "default", bytes(settings.memory_limit)
  local ok
  ok, message = read_targets(settings, own, context, name)
  if not ok then return nil, message end
  ok, message = take_options(settings.via, extra, where, context.known)
  if not ok then return nil, message end
  return settings
end

return M
