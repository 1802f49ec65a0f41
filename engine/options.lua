-- SPDX-License-Identifier: MIT
--- Option tables of the engine's own functions: names, types and ranges. A wrong one is a wrong call, and raises.
--- Invariant: values are read with raw access only.
local new_table = require("table.new")

local M = {}

---@class engine.options.Rule
---@field [1] "string"|"boolean"|"integer"|"table" type
---@field [2]? integer least
---@field [3]? integer most
---@field default? any

local function complain(rule, value)
  local kind, least, most = rule[1], rule[2], rule[3]
  local wanted = kind == "integer" and "number" or kind
  if type(value) ~= wanted then return ("expected a %s, found a %s"):format(wanted, type(value)) end
  if kind == "integer" and not (value >= least and value <= most and value % 1 == 0) then
    return ("expected an integer from %d to %d, found %.14g"):format(least, most, value)
  end
end

local known = setmetatable({}, { __mode = "k" }) -- defaults and the count of rules, by these: most have no default

local function defaults_of(rules)
  local found = known[rules]
  if not found then
    found = { values = {}, count = 0 }
    for name, rule in next, rules do found.values[name], found.count = rule.default, found.count + 1 end
    known[rules] = found
  end
  return found.values, found.count
end

--- Checks what was given and fills in what was not.
---@param given table?
---@param rules table<string, engine.options.Rule>
---@param level integer whom an error blames, as with `error`
---@return table<string, any> values a new table
function M.read(given, rules, level)
  local defaults, count = defaults_of(rules)
  local values = new_table(0, count) -- one that grew to it would be copied each time
  for name, default in next, defaults do values[name] = default end
  if given == nil then return values end
  if type(given) ~= "table" then error("expected a table of options, found a " .. type(given), level + 1) end
  for name, value in next, given do
    local rule = rules[name]
    if not rule then error(('unknown option "%s"'):format(tostring(name)), level + 1) end
    local complaint = complain(rule, value)
    if complaint then error(('option "%s": %s'):format(name, complaint), level + 1) end
    values[name] = value
  end
  return values
end

return M
