-- SPDX-License-Identifier: MIT
--- What a term is, by its metatable. A Lua string is a binary, a whole number below 2^53 an integer.
--- Invariant: terms are never changed once made.
local M = {}

---@class peerage.erlang.Atom one object per name: compare with ==
---@field name string UTF-8

---@class peerage.erlang.Big an integer from 2^53 on, either sign
---@field sign 0|1 1: negative
---@field digits string base 256, the least first, the last is not zero

---@class peerage.erlang.Float
---@field value number finite

---@class peerage.erlang.Bits a bit string whose bits do not fill its last byte
---@field bytes string the unused low bits of the last byte are zero
---@field last integer bits of the last byte, 1 to 7

---@class peerage.erlang.Tuple elements at 1 to n
---@field n integer

---@class peerage.erlang.List elements at 1 to n
---@field n integer
---@field tail? peerage.erlang.Term of an improper list; never a list

---@class peerage.erlang.Map pairs `{ key, value }` at 1 to n, in the order of the bytes
---@field n integer

---@class peerage.erlang.Pid
---@field node peerage.erlang.Atom
---@field id integer
---@field serial integer
---@field creation integer

---@class peerage.erlang.Reference
---@field node peerage.erlang.Atom
---@field creation integer
---@field ids integer[] 1 to 5 of 32 bits

---@class peerage.erlang.Port
---@field node peerage.erlang.Atom
---@field id string 8 bytes, the highest first
---@field creation integer

---@class peerage.erlang.Export `fun module:name/arity`
---@field module peerage.erlang.Atom
---@field name peerage.erlang.Atom
---@field arity integer

---@class peerage.erlang.Fun a local fun, which only its own node can call
---@field bytes string as they were read
---@field module peerage.erlang.Atom
---@field arity integer

---@alias peerage.erlang.Term string|number|peerage.erlang.Atom|peerage.erlang.Big|peerage.erlang.Float|peerage.erlang.Bits
---  |peerage.erlang.Tuple|peerage.erlang.List|peerage.erlang.Map|peerage.erlang.Pid|peerage.erlang.Reference
---  |peerage.erlang.Port|peerage.erlang.Export|peerage.erlang.Fun

M.EXACT = 2 ^ 53 -- below it each integer is a Lua number

--- The metatables of the terms that are tables, by kind; a big integer is of the kind integer too.
M.metatables = {}
local kinds = {}
for name, kind in pairs({
  Atom = "atom", Big = "integer", Float = "float", Bits = "bits", Tuple = "tuple", List = "list", Map = "map",
  Pid = "pid", Reference = "reference", Port = "port", Export = "export", Fun = "fun",
}) do
  local metatable = { __name = "peerage.erlang." .. name }
  M.metatables[name], kinds[metatable] = metatable, kind
end

--- Of what kind a term is.
---@param term any
---@return "atom"|"integer"|"float"|"binary"|"bits"|"tuple"|"list"|"map"|"pid"|"reference"|"port"|"export"|"fun"|nil kind nil: no term
function M.kind(term)
  local lua_type = type(term)
  if lua_type == "string" then return "binary" end
  if lua_type == "number" then return "integer" end
  return lua_type == "table" and kinds[getmetatable(term)] or nil
end

--- Whether a value is a whole number of so many bits without a sign.
---@param value any
---@param bits integer at most 53
---@return boolean
function M.is_integer(value, bits)
  return type(value) == "number" and value >= 0 and value < 2 ^ bits and value % 1 == 0
end

return M
