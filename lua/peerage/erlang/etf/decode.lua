-- SPDX-License-Identifier: MIT
--- Bytes to terms; here those that hold others.
--- Invariant: work and memory are in proportion to the bytes, whatever the counts in them say.
local Input = require("peerage.erlang.etf.decode.input")
local data_terms = require("peerage.erlang.etf.data")
local kinds = require("peerage.erlang.etf.kinds")
local byte, min = string.byte, math.min
local metatables = kinds.metatables

local M = {}

local AT_ONCE = 1000 -- bytes for one string.byte: the VM's stack has 65,000 places
local NIL, STRING, LIST = 106, 107, 108

local readers = {}
for _, name in ipairs({ "atom", "scalar", "identifier", "fun" }) do
  for tag, read in pairs(require("peerage.erlang.etf.decode." .. name).readers) do readers[tag] = read end
end

local function read_term(input, at, depth)
  local tag = byte(input.data, at)
  if not tag then input:fail(at, "expected a term, found the end") end
  local read = readers[tag] or input:fail(at, "no term begins with %d", tag)
  if input.left < 1 then input:fail(at, "more terms than are allowed") end
  input.left = input.left - 1
  return read(input, at + 1, depth, read_term)
end

local function read_tuple(input, at, n, depth)
  input:need(at, n, "a tuple of %d elements", n)
  depth = input:inside(at, depth)
  local tuple = { n = n }
  for i = 1, n do tuple[i], at = read_term(input, at, depth) end
  return setmetatable(tuple, metatables.Tuple), at
end

readers[104] = function(input, at, depth)
  local n, next_at = input:u8(at, "a tuple")
  return read_tuple(input, next_at, n, depth)
end

readers[105] = function(input, at, depth)
  local n, next_at = input:u32(at, "a tuple")
  return read_tuple(input, next_at, n, depth)
end

local function add_bytes(list, n, data, first, last)
  for from = first, last, AT_ONCE do
    local bytes = { byte(data, from, min(from + AT_ONCE - 1, last)) }
    for i = 1, #bytes do list[n + i] = bytes[i] end
    n = n + #bytes
  end
  return n
end

local function read_string(input, at, list, n)
  local size, first = input:u16(at, "a string")
  input:need(first, size, "a string of %d bytes", size)
  return add_bytes(list, n, input.data, first, first + size - 1), first + size
end

local function read_elements(input, at, list, n, depth)
  local count, next_at = input:u32(at, "a list")
  input:need(next_at, count + 1, "a list of %d elements and a tail", count)
  for i = n + 1, n + count do list[i], next_at = read_term(input, next_at, depth) end
  return n + count, next_at
end

-- A tail that is itself a list goes on in the loop: a list is as long as it likes without being deep.
local function read_list(input, at, depth)
  local list, n, tail = {}, 0, nil
  depth, at = input:inside(at, depth), at - 1
  local tag = byte(input.data, at)
  while tag == LIST do
    n, at = read_elements(input, at + 1, list, n, depth)
    tag = byte(input.data, at)
  end
  if tag == STRING then
    n, at = read_string(input, at + 1, list, n)
  elseif tag == NIL then
    at = at + 1
  else
    tail, at = read_term(input, at, depth)
  end
  if n == 0 then return data_terms.list(list, tail), at end
  list.n, list.tail = n, tail
  return setmetatable(list, metatables.List), at
end

readers[STRING], readers[LIST] = read_list, read_list

local empty = data_terms.list({})
readers[NIL] = function(_, at) return empty, at end

readers[116] = function(input, at, depth)
  local n, next_at = input:u32(at, "a map")
  input:need(next_at, 2 * n, "a map of %d pairs", n)
  depth = input:inside(next_at, depth)
  local map, seen = { n = n }, {} -- of keys that hold other terms, no two are the same object
  for i = 1, n do
    local key, value_at = read_term(input, next_at, depth)
    if seen[key] then input:fail(next_at, "a map that has this key already") end
    seen[key] = true
    local value
    value, next_at = read_term(input, value_at, depth)
    map[i] = { key, value }
  end
  return setmetatable(map, metatables.Map), next_at
end

---@param data string
---@param at? integer
---@param limits? peerage.erlang.Limits
---@return peerage.erlang.Term|nil term
---@return integer|string next or message
function M.decode(data, at, limits)
  if type(data) ~= "string" then error("expected the bytes of a term as a string, found a " .. type(data), 3) end
  local input = Input.new(data, limits)
  local ok, term, next_at = pcall(read_term, input, at or 1, 0)
  if ok then return term, next_at end
  if term ~= input then error(term, 0) end
  return nil, input.message
end

return M
