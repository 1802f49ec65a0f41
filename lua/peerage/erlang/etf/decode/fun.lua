-- SPDX-License-Identifier: MIT
--- Bytes to functions: `fun module:name/arity`, and local ones, whose terms are read to know that they are some and of
--- which the bytes are kept.
local identifier = require("peerage.erlang.etf.identifier")
local read_atom = require("peerage.erlang.etf.decode.atom").read

local M = {}

local SMALL_INTEGER = 97

local function read_export(input, at)
  local module, name, tag, arity
  module, at = read_atom(input, at, "the module of a fun")
  name, at = read_atom(input, at, "the name of a fun")
  tag = input:u8(at, "a fun")
  if tag ~= SMALL_INTEGER then input:fail(at, "the arity of a fun begins with %d, expected %d", tag, SMALL_INTEGER) end
  arity, at = input:u8(at + 1, "a fun")
  return identifier.export(module, name, arity), at
end

local function skip(input, at, count, depth, read_term)
  for _ = 1, count do
    local _, next_at = read_term(input, at, depth)
    at = next_at
  end
  return at
end

-- Size:32 (itself counted) Arity:8 Uniq:128 Index:32 Free:32 Module OldIndex OldUniq Pid, and Free terms.
local function read_fun(input, at, depth, read_term)
  local size = input:u32(at, "a fun")
  input:need(at, size, "a fun of %d bytes", size)
  local arity = input:u8(at + 4, "a fun")
  local free, terms_at = input:u32(at + 25, "a fun")
  input:need(terms_at, free, "a fun of %d free variables", free)
  local module, next_at = read_atom(input, terms_at, "the module of a fun")
  next_at = skip(input, next_at, 3 + free, input:inside(terms_at, depth), read_term)
  if next_at ~= at + size then input:fail(at, "a fun of %d bytes whose terms end after %d", size, next_at - at) end
  return identifier.opaque_fun(input.data:sub(at - 1, next_at - 1), module, arity), next_at
end

--- By tag: from the position after it, the depth and what reads any term to the term and the next position.
M.readers = { [112] = read_fun, [113] = read_export }

return M
