-- SPDX-License-Identifier: MIT
--- Lays out the fields of a log message, as words or as members of a JSON object. Tables are read raw: that runs no
--- metamethods of anybody's.
local escape = require("engine.log.escape")

local M = {}

local MAX_DEPTH = 6
local MAX_BYTES = 1024 * 1024 -- of all fields of a message; the rest is "..."
local RESERVED = { time = true, level = true, source = true, message = true, traceback = true, cut = true }

--- Text as a JSON string.
---@param text string
---@return string
function M.quote(text) return '"' .. escape.json(text) .. '"' end
local quote = M.quote

local function shorten(text) return #text > MAX_BYTES and text:sub(1, MAX_BYTES) .. "..." or text end

local function name_of(key)
  if type(key) == "string" then return shorten(key) end
  return type(key) == "number" and ("%.14g"):format(key) or type(key)
end

local function sorted_names(object)
  local names, keys = {}, {}
  for key in next, object do
    local name = name_of(key)
    names[#names + 1] = name
    keys[name] = key
  end
  table.sort(names)
  return names, keys
end

local function is_list(object)
  local count = 0
  for _ in next, object do count = count + 1 end
  return count == #object
end

local encode

local function encode_list(out, list, depth)
  for i = 1, #list do
    if i > 1 then out:add(",") end
    if out:is_full() then return out:add('"..."') end
    encode(out, rawget(list, i), depth)
  end
end

local function encode_members(out, object, depth)
  local names, keys = sorted_names(object)
  for i = 1, #names do
    if i > 1 then out:add(",") end
    if out:is_full() then return out:add('"...":"..."') end
    local name = names[i]
    out:add(quote(depth == 1 and RESERVED[name] and "field_" .. name or name))
    out:add(":")
    encode(out, rawget(object, keys[name]), depth)
  end
end

function encode(out, value, depth)
  local kind = type(value)
  if kind == "string" then return out:add(quote(shorten(value))) end
  if kind == "boolean" then return out:add(tostring(value)) end
  if kind == "number" then
    local is_finite = value == value and value ~= math.huge and value ~= -math.huge
    return out:add((is_finite and "%.14g" or '"%g"'):format(value))
  end
  if kind ~= "table" or depth > MAX_DEPTH then return out:add(quote(kind == "table" and "..." or kind)) end
  local list = is_list(value)
  out:add(list and "[" or "{");
  (list and encode_list or encode_members)(out, value, depth + 1)
  out:add(list and "]" or "}")
end

local Out = {}
Out.__index = Out

function Out:add(text)
  self[#self + 1] = text
  self.length = self.length + #text
end

function Out:is_full() return self.length > MAX_BYTES end

-- In text a plain word needs no quotes: `address=10.0.0.7 reason="connection refused"`.
local function plain(text) return text:match("^[%w_.:/@%%+-]+$") end

local function encode_words(out, fields)
  local names, keys = sorted_names(fields)
  for i = 1, #names do
    local value = rawget(fields, keys[names[i]])
    out:add((i > 1 and " " or "") .. (plain(names[i]) or quote(names[i])) .. "=")
    local word = type(value) == "string" and #value <= MAX_BYTES and plain(value)
    if word then out:add(word) else encode(out, value, 1) end
  end
end

---@param fields table<any, any>
---@param is_json boolean
---@return string
function M.lay_out(fields, is_json)
  local out = setmetatable({ length = 0 }, Out);
  (is_json and encode_members or encode_words)(out, fields, 1)
  return table.concat(out)
end

return M
