-- SPDX-License-Identifier: MIT
--- Terms that mean the same on each node: numbers, bit strings, tuples, lists, maps.
local expect = require("peerage.erlang.etf.expect")
local kinds = require("peerage.erlang.etf.kinds")
local byte, sub = string.byte, string.sub
local metatables = kinds.metatables

local M = {}

local function value_of(digits)
  local value = 0
  for i = #digits, 1, -1 do value = value * 256 + byte(digits, i) end
  return value
end

--- An integer of any size: a Lua number if one can hold it.
---@param sign 0|1 1: negative
---@param digits string base 256, the least first
---@return number|peerage.erlang.Big
function M.big(sign, digits)
  expect(sign == 0 or sign == 1, "a sign 0 or 1", sign)
  expect(type(digits) == "string", "digits as a string", digits)
  local last = #digits
  while last > 0 and byte(digits, last) == 0 do last = last - 1 end
  digits = sub(digits, 1, last)
  local value = last <= 7 and value_of(digits) or kinds.EXACT
  if value < kinds.EXACT then return sign == 1 and value > 0 and -value or value end
  return setmetatable({ sign = sign, digits = digits }, metatables.Big)
end

---@param value number finite
---@return peerage.erlang.Float
function M.float(value)
  expect(type(value) == "number" and value - value == 0, "a finite number", value)
  return setmetatable({ value = value }, metatables.Float)
end

--- A bit string. The unused low bits of the last byte are dropped; one that fills its bytes is a binary.
---@param bytes string
---@param last integer bits of the last byte, 1 to 8
---@return string|peerage.erlang.Bits
function M.bits(bytes, last)
  expect(type(bytes) == "string" and #bytes > 0, "bytes as a string that is not empty", bytes)
  expect(kinds.is_integer(last, 4) and last >= 1 and last <= 8, "1 to 8 bits in the last byte", last)
  if last == 8 then return bytes end
  local final, unused = byte(bytes, -1), 2 ^ (8 - last)
  bytes = sub(bytes, 1, -2) .. string.char(final - final % unused)
  return setmetatable({ bytes = bytes, last = last }, metatables.Bits)
end

---@param ... peerage.erlang.Term
---@return peerage.erlang.Tuple
function M.tuple(...) return setmetatable({ n = select("#", ...), ... }, metatables.Tuple) end

local empty = setmetatable({ n = 0 }, metatables.List)

--- A list. A tail that is a list goes on with it, as `[a | [b]]` is `[a, b]`.
---@param items peerage.erlang.Term[] copied
---@param tail? peerage.erlang.Term
---@return peerage.erlang.Term list or, as in Erlang, the tail alone if there are no items
function M.list(items, tail)
  expect(type(items) == "table", "the items of a list as a table", items)
  local list, n = {}, #items
  for i = 1, n do list[i] = items[i] end
  if kinds.kind(tail) == "list" then
    for i = 1, tail.n do list[n + i] = tail[i] end
    n, tail = n + tail.n, tail.tail
  end
  if n == 0 then return tail == nil and empty or tail end
  list.n, list.tail = n, tail
  return setmetatable(list, metatables.List)
end

--- A map. That no key comes twice is for the caller to see to.
---@param pairs_of peerage.erlang.Term[][] `{ key, value }`, in the order in which they are to be written
---@return peerage.erlang.Map
function M.map(pairs_of)
  expect(type(pairs_of) == "table", "the pairs of a map as a table", pairs_of)
  local map = { n = #pairs_of }
  for i, pair in ipairs(pairs_of) do
    expect(type(pair) == "table" and pair[1] ~= nil and pair[2] ~= nil, "each pair of a map as { key, value }", pair)
    map[i] = { pair[1], pair[2] }
  end
  return setmetatable(map, metatables.Map)
end

return M
