-- SPDX-License-Identifier: MIT
--- Header fields: those of a request are checked, those of an answer put together. Pure. What a value says is in no message.
local trim = require("engine.trim")

local M = {}

local TOKEN = "^[%w!#$%%&'*+.^_`|~-]+$" -- RFC 9110 section 5.6.2

-- Of the fields that are given to the one who is asked, these are no secret, and go on to where he sends us.
local HARMLESS = { accept = true, ["accept-language"] = true, ["content-type"] = true, ["if-none-match"] = true, ["user-agent"] = true }

-- What libcurl writes itself: two that differ would say where a request ends twice.
local KEPT = { ["content-length"] = true, ["transfer-encoding"] = true }

local MOST_SHOWN = 60 -- bytes of a name

---@class engine.http.Field
---@field name string
---@field value string

-- A name that was not meant as one may have the value in it.
local function name_problem(name)
  if type(name) ~= "string" then
    local found = type(name) == "number" and ("the key %g"):format(name) or "a key that is a " .. type(name)
    return 'headers: expected names as keys, as in ["X-Name"] = "value", found ' .. found
  end
  if name:find(TOKEN) then return nil end
  local shown = name:gsub(":.+$", ":…"):gsub("%c", "?"):sub(1, MOST_SHOWN)
  return ('header "%s": expected a name of letters, digits and dashes'):format(shown)
end

local function value_problem(name, value)
  if type(value) ~= "string" and type(value) ~= "number" then
    return ('header "%s": expected a string, found a %s'):format(name, type(value))
  end
  local at = tostring(value):find("[%z\1-\8\10-\31\127]")
  if at then
    return ('header "%s": byte 0x%02x in its value, expected no line breaks or other control characters')
      :format(name, tostring(value):byte(at))
  end
  if name:lower() == "host" and trim(tostring(value)) == "" then return ('header "%s": expected a host, found nothing'):format(name) end
end

local function find_problem(name, value, twin)
  if KEPT[name:lower()] then return ('header "%s": expected none, it is written by itself'):format(name) end
  if twin then
    return ('header "%s": expected once, found "%s" too'):format(name < twin and name or twin, name < twin and twin or name)
  end
  return value_problem(name, value)
end

--- Checks fields.
---@param given table<string, string|number>
---@return engine.http.Field[]? fields, string? message, string? code "EINVAL"
function M.read(given)
  if next(given) == nil then return {} end
  local fields, names = {}, {}
  for name, value in next, given do
    local problem = name_problem(name) or find_problem(name, value, names[name:lower()])
    if problem then return nil, problem, "EINVAL" end
    names[name:lower()], fields[#fields + 1] = name, { name = name, value = trim(tostring(value)) }
  end
  return fields
end

--- Those that may be told to another origin.
---@param fields engine.http.Field[]
---@return engine.http.Field[]
function M.harmless(fields)
  local kept = {}
  for _, field in ipairs(fields) do
    if HARMLESS[field.name:lower()] then kept[#kept + 1] = field end
  end
  return kept
end

--- Whether there is one of that name.
---@param fields engine.http.Field[]
---@param name string in lower case
function M.has(fields, name)
  for _, field in ipairs(fields) do
    if field.name:lower() == name then return true end
  end
  return false
end

--- As libcurl takes them: with a semicolon where there is no value.
---@param fields engine.http.Field[]
---@return string[]
function M.lay_out(fields)
  local lines = {}
  for i, field in ipairs(fields) do
    lines[i] = field.value == "" and field.name .. ";" or field.name .. ": " .. field.value
  end
  return lines
end

--- What is wrong with an answer's: of lengths that differ nobody knows which one its body has, RFC 9112 section 6.3.
---@param values table<string, string> by lower-case name, joined
---@return string? message
function M.find_problem(values)
  local lengths = values["content-length"]
  if not lengths or not lengths:find("[^%d]") then return nil end
  local first = lengths:match("^%d+")
  for each in lengths:gmatch("[^,]+") do
    if not first or trim(each) ~= first then
      return ('the answer\'s Content-Length is "%s", expected one number'):format(lengths:gsub("%c", "?"):sub(1, MOST_SHOWN))
    end
  end
end

--- Puts the values of one name together.
---@param values table<string, string> by lower-case name; changed
---@param more? string[] names and values in turn, which came later
---@return table<string, string> values several of one name with ", " between them, but Set-Cookie, whose values hold
---  commas, with line breaks
function M.join(values, more)
  if not more then return values end
  local lists = {}
  for i = 1, #more, 2 do
    local name = more[i]
    local list = lists[name] or { values[name] }
    list[#list + 1] = more[i + 1]
    lists[name] = list
  end
  for name, list in next, lists do values[name] = table.concat(list, name == "set-cookie" and "\n" or ", ") end
  return values
end

return M
