-- SPDX-License-Identifier: MIT
--- Bytes to terms.
--- Invariant: nothing is allocated on the word of a count alone; work and memory are at most in proportion to the bytes.
local float64 = require("peerage.erlang.etf.float64")
local terms = require("peerage.erlang.etf.terms")
local utf8 = require("peerage.erlang.etf.utf8")
local byte, min, sub = string.byte, math.min, string.sub
local find_atom, metatables = terms.find_atom, terms.metatables

local M = {}

---@class peerage.erlang.Limits
---@field depth? integer how deep a term may be nested, default 64; along a list is not deep
---@field terms? integer how many terms there may be in it, default 1,000,000; a string counts once

local DEPTH, TERMS = 64, 1000000
local AT_ONCE = 1000 -- bytes for one string.byte: the VM's stack has 65,000 places

-- Ends the decoding: the input itself is what is raised, and caught in M.decode.
local function fail(input, at, message, ...)
  input.message = ("byte %d: %s"):format(at, message:format(...))
  error(input, 0)
end

local function few(input, at, what) fail(input, at, "the bytes end within %s", what) end

-- Refuses `bytes` more from `at` on if they are not there; `...` are numbers for `what`.
local function need(input, at, bytes, what, ...)
  local left = input.last - at + 1
  if bytes > left then
    fail(input, at, "%s, but only %d byte%s left", what:format(...), left, left == 1 and " is" or "s are")
  end
end

local function u16(input, at, what)
  local a, b = byte(input.data, at, at + 1)
  if not b then few(input, at, what) end
  return a * 256 + b, at + 2
end

local function u32(input, at, what)
  local a, b, c, d = byte(input.data, at, at + 3)
  if not d then few(input, at, what) end
  return a * 2 ^ 24 + b * 2 ^ 16 + c * 256 + d, at + 4
end

local function u8(input, at, what)
  local value = byte(input.data, at)
  if not value then few(input, at, what) end
  return value, at + 1
end

local readers = {}

local function read_term(input, at, depth)
  local tag = byte(input.data, at)
  if not tag then fail(input, at, "expected a term, found the end") end
  local read = readers[tag] or fail(input, at, "no term begins with %d", tag)
  input.terms = input.terms - 1
  if input.terms < 0 then fail(input, at, "more than %d terms", input.most_terms) end
  return read(input, at + 1, depth)
end

local function inner(input, at, depth)
  if depth >= input.depth then fail(input, at, "terms nested deeper than %d", input.depth) end
  return depth + 1
end

local function read_tuple(input, at, n, depth)
  need(input, at, n, "a tuple of %d elements", n)
  depth = inner(input, at, depth)
  local tuple = { n = n }
  for i = 1, n do tuple[i], at = read_term(input, at, depth) end
  return setmetatable(tuple, metatables.Tuple), at
end

readers[104] = function(input, at, depth)
  local n, next_at = u8(input, at, "a tuple")
  return read_tuple(input, next_at, n, depth)
end

readers[105] = function(input, at, depth)
  local n, next_at = u32(input, at, "a tuple")
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
  local size, first = u16(input, at, "a string")
  need(input, first, size, "a string of %d bytes", size)
  return add_bytes(list, n, input.data, first, first + size - 1), first + size
end

local function read_elements(input, at, list, n, depth)
  local count
  count, at = u32(input, at, "a list")
  need(input, at, count + 1, "a list of %d elements and a tail", count)
  depth = inner(input, at, depth)
  for i = n + 1, n + count do list[i], at = read_term(input, at, depth) end
  return n + count, at
end

-- A tail that is itself a list goes on in a loop: a list is as long as it likes without being deep.
local function read_list(input, at, depth)
  local list, n, tail = {}, 0, nil
  at = at - 1
  repeat
    local tag = byte(input.data, at)
    if tag == 108 then
      n, at = read_elements(input, at + 1, list, n, depth)
    elseif tag == 107 then
      n, at = read_string(input, at + 1, list, n)
    elseif tag ~= 106 then
      tail, at = read_term(input, at, inner(input, at, depth))
    else
      at = at + 1
    end
  until tag ~= 108
  if n == 0 then return tail == nil and terms.list({}) or tail, at end
  list.n, list.tail = n, tail
  return setmetatable(list, metatables.List), at
end

readers[106], readers[107], readers[108] = read_list, read_list, read_list

readers[116] = function(input, at, depth)
  local n, first = u32(input, at, "a map")
  need(input, first, 2 * n, "a map of %d pairs", n)
  depth = inner(input, first, depth)
  local map, seen = { n = n }, {}
  at = first
  for i = 1, n do
    local key, value_at = read_term(input, at, depth)
    local bytes = sub(input.data, at, value_at - 1)
    if seen[bytes] then fail(input, at, "a key that is in the map twice") end
    seen[bytes] = true
    local value
    value, at = read_term(input, value_at, depth)
    map[i] = { key, value }
  end
  return setmetatable(map, metatables.Map), at
end

---@param data string
---@param at? integer
---@param limits? peerage.erlang.Limits
---@return peerage.erlang.Term|nil term
---@return integer|string next or message
function M.decode(data, at, limits)
  if type(data) ~= "string" then error("expected the bytes of a term as a string, found a " .. type(data), 3) end
  local most_terms = limits and limits.terms or TERMS
  local input = {
    data = data, last = #data, depth = limits and limits.depth or DEPTH, terms = most_terms, most_terms = most_terms,
  }
  local ok, term, next_at = pcall(read_term, input, at or 1, 0)
  if ok then return term, next_at end
  if term ~= input then error(term, 0) end
  return nil, input.message
end

return M
