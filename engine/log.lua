-- SPDX-License-Identifier: MIT
--- The log: the Lua half, which lays out fields; the C half lays out and writes messages. Tables are read raw: logging
--- runs no metamethods of anybody's.
local core = require("engine.log.core")

local M = {
  level = core.level,
  is_wanted = core.is_wanted,
  format = core.format,
  counts = core.counts,
  capture = core.capture,
  repeat_window = core.repeat_window,
}

local MAX_DEPTH = 6
local MAX_BYTES = 1024 * 1024 -- of all fields of a message; the rest is "..."
local RESERVED = { time = true, level = true, source = true, message = true, traceback = true, cut = true }

local function name_of(key)
  if type(key) == "string" then return key end
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
    out:add(core.quote(depth == 1 and RESERVED[name] and "field_" .. name or name))
    out:add(":")
    encode(out, rawget(object, keys[name]), depth)
  end
end

function encode(out, value, depth)
  local kind = type(value)
  if kind == "string" then return out:add(core.quote(value)) end
  if kind == "boolean" then return out:add(tostring(value)) end
  if kind == "number" then
    local is_finite = value == value and value ~= math.huge and value ~= -math.huge
    return out:add((is_finite and "%.14g" or '"%g"'):format(value))
  end
  if kind ~= "table" or depth > MAX_DEPTH then return out:add(core.quote(kind == "table" and "..." or kind)) end
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
    out:add((i > 1 and " " or "") .. (plain(names[i]) or core.quote(names[i])) .. "=")
    local word = type(value) == "string" and plain(value)
    if word then out:add(word) else encode(out, value, 1) end
  end
end

local function lay_out(fields)
  local out = setmetatable({ length = 0 }, Out)
  local encoder = core.format() == "json" and encode_members or encode_words
  encoder(out, fields, 1)
  return table.concat(out)
end

local function split_traceback(fields)
  local rest = {}
  for key, value in next, fields do rest[key] = value end
  rest.traceback = nil
  return rest, fields.traceback
end

local function write(level, source, message, fields)
  if type(message) ~= "string" then error(("expected a message, found a %s"):format(type(message)), 3) end
  if fields ~= nil and type(fields) ~= "table" then
    error(("expected a table of fields, found a %s"):format(type(fields)), 3)
  end
  if not fields or not core.is_wanted(level) then return core.write(level, source, message) end
  local rest, traceback = fields, nil
  if type(rawget(fields, "traceback")) == "string" then rest, traceback = split_traceback(fields) end
  core.write(level, source, message, lay_out(rest), traceback, fields)
end

--- A logger of its own name.
---@param source? string who speaks; nil: the label of the running task's scope
---@return engine.log.logger
function M.named(source)
  local logger = {}
  for _, level in ipairs({ "debug", "info", "warn", "error" }) do
    logger[level] = function(message, fields) write(level, source, message, fields) end
  end
  return logger
end

for level, fn in pairs(M.named()) do M[level] = fn end

return M
