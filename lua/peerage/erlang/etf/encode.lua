-- SPDX-License-Identifier: MIT
--- Terms to bytes.
--- Invariant: of the forms that the format has for a term, the one is chosen that OTP 25 writes with minor_version 2.
local big_endian = require("peerage.big_endian")
local float64 = require("peerage.erlang.etf.float64")
local kinds = require("peerage.erlang.etf.kinds")
local phrases = require("peerage.describe")
local u16, u32 = big_endian.u16, big_endian.u32
local byte, char, concat, floor = string.byte, string.char, table.concat, math.floor
local metatables = kinds.metatables

local M = {}

local DEPTH = 1000
local STRING = 65535 -- elements of a list of bytes that is still written as one string
local AT_ONCE = 1000 -- bytes for one string.char: the VM's stack has 65,000 places
local NEW_PORT = 2 ^ 28 -- ids from here on need the longer form (external.c of OTP 25, ERTS_MAX_V3_PORT_NUMBER)

local function put(out, bytes)
  local n = out.n + 1
  out.n, out[n] = n, bytes
end

local function put_digits(out, sign, digits)
  put(out, (#digits < 256 and char(110, #digits) or "\111" .. u32(#digits)) .. char(sign))
  put(out, digits)
end

local function digits_of(value)
  local digits, n = {}, 0
  while value > 0 do
    n = n + 1
    digits[n] = char(value % 256)
    value = floor(value / 256)
  end
  return concat(digits)
end

local function put_integer(out, value)
  if value >= 0 and value <= 255 and value % 1 == 0 then return put(out, char(97, value)) end
  if value % 1 ~= 0 or math.abs(value) >= kinds.EXACT then
    error(("cannot encode %.17g: expected a whole number below 2^53, or etf.float or etf.big of it"):format(value), 0)
  end
  if value >= -2 ^ 31 and value < 2 ^ 31 then return put(out, "\98" .. u32(value % 2 ^ 32)) end
  put_digits(out, value < 0 and 1 or 0, digits_of(math.abs(value)))
end

local function put_binary(out, bytes)
  put(out, "\109" .. u32(#bytes))
  put(out, bytes)
end

local writers = {}

local function put_term(out, term, depth)
  local lua_type = type(term)
  if lua_type == "number" then return put_integer(out, term) end
  if lua_type == "string" then return put_binary(out, term) end
  local write = lua_type == "table" and writers[getmetatable(term)]
  if not write then error(("cannot encode %s: expected a term of peerage.erlang.etf"):format(phrases.value(term)), 0) end
  if depth > DEPTH then error(("cannot encode a term nested deeper than %d"):format(DEPTH), 0) end
  return write(out, term, depth + 1)
end

local function put_atom(out, atom)
  local name = atom.name
  put(out, (#name < 256 and char(119, #name) or "\118" .. u16(#name)) .. name)
end

writers[metatables.Atom] = put_atom

writers[metatables.Big] = function(out, big) put_digits(out, big.sign, big.digits) end

writers[metatables.Float] = function(out, float) put(out, "\70" .. float64.encode(float.value)) end

writers[metatables.Bits] = function(out, bits)
  put(out, "\77" .. u32(#bits.bytes) .. char(bits.last))
  put(out, bits.bytes)
end

writers[metatables.Tuple] = function(out, tuple, depth)
  local n = tuple.n
  put(out, n < 256 and char(104, n) or "\105" .. u32(n))
  for i = 1, n do put_term(out, tuple[i], depth) end
end

local function is_string(list)
  if list.tail ~= nil or list.n > STRING then return false end
  for i = 1, list.n do
    local value = list[i]
    if type(value) ~= "number" or value < 0 or value > 255 or value % 1 ~= 0 then return false end
  end
  return true
end

local function put_string(out, list)
  local n = list.n
  put(out, "\107" .. u16(n))
  for first = 1, n, AT_ONCE do put(out, char(unpack(list, first, math.min(first + AT_ONCE - 1, n)))) end
end

writers[metatables.List] = function(out, list, depth)
  local n = list.n
  if n == 0 then return put(out, "\106") end
  if is_string(list) then return put_string(out, list) end
  put(out, "\108" .. u32(n))
  for i = 1, n do put_term(out, list[i], depth) end
  if list.tail == nil then return put(out, "\106") end
  put_term(out, list.tail, depth)
end

local function bytes_of(term, depth, sorted)
  local out = { n = 0, sorted = sorted }
  put_term(out, term, depth)
  return concat(out, "", 1, out.n)
end

local function sorted_pairs(map, depth)
  local written = {}
  for i = 1, map.n do
    written[i] = bytes_of(map[i][1], depth, true) .. bytes_of(map[i][2], depth, true)
  end
  table.sort(written)
  return concat(written)
end

writers[metatables.Map] = function(out, map, depth)
  put(out, "\116" .. u32(map.n))
  if out.sorted then return put(out, sorted_pairs(map, depth)) end
  for i = 1, map.n do
    put_term(out, map[i][1], depth)
    put_term(out, map[i][2], depth)
  end
end

writers[metatables.Pid] = function(out, pid)
  put(out, "\88")
  put_atom(out, pid.node)
  put(out, u32(pid.id) .. u32(pid.serial) .. u32(pid.creation))
end

writers[metatables.Reference] = function(out, reference)
  local ids = reference.ids
  put(out, "\90" .. u16(#ids))
  put_atom(out, reference.node)
  put(out, u32(reference.creation))
  for i = 1, #ids do put(out, u32(ids[i])) end
end

local function is_new_port(id)
  local a, b, c, d, e = byte(id, 1, 5)
  return a + b + c + d == 0 and e < NEW_PORT / 2 ^ 24
end

writers[metatables.Port] = function(out, port)
  local is_new = is_new_port(port.id)
  put(out, is_new and "\89" or "\120")
  put_atom(out, port.node)
  put(out, (is_new and port.id:sub(5) or port.id) .. u32(port.creation))
end

writers[metatables.Export] = function(out, export)
  put(out, "\113")
  put_atom(out, export.module)
  put_atom(out, export.name)
  put_integer(out, export.arity)
end

writers[metatables.Fun] = function(out, fun) put(out, fun.bytes) end

---@param term peerage.erlang.Term
---@return string bytes
function M.encode(term) return bytes_of(term, 1) end

--- Bytes that are the same for the same term, whatever the order of its maps.
---@param term peerage.erlang.Term
---@return string bytes
function M.canonical(term) return bytes_of(term, 1, true) end

return M
