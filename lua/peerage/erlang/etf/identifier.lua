-- SPDX-License-Identifier: MIT
--- Terms that name something of one node: processes, references, ports; and functions.
local expect = require("peerage.erlang.etf.expect")
local kinds = require("peerage.erlang.etf.kinds")
local is_integer, metatables = kinds.is_integer, kinds.metatables

local M = {}

local function is_atom(value) return kinds.kind(value) == "atom" end

---@param node peerage.erlang.Atom
---@param id integer of 32 bits, as are the others
---@param serial integer
---@param creation integer
---@return peerage.erlang.Pid
function M.pid(node, id, serial, creation)
  expect(is_atom(node), "the node of a pid as an atom", node)
  expect(is_integer(id, 32), "the id of a pid as an integer of 32 bits", id)
  expect(is_integer(serial, 32), "the serial of a pid as an integer of 32 bits", serial)
  expect(is_integer(creation, 32), "the creation of a pid as an integer of 32 bits", creation)
  return setmetatable({ node = node, id = id, serial = serial, creation = creation }, metatables.Pid)
end

---@param node peerage.erlang.Atom
---@param creation integer of 32 bits
---@param ids integer[] 1 to 5 of 32 bits
---@return peerage.erlang.Reference
function M.reference(node, creation, ids)
  expect(is_atom(node), "the node of a reference as an atom", node)
  expect(is_integer(creation, 32), "the creation of a reference as an integer of 32 bits", creation)
  expect(type(ids) == "table" and #ids >= 1 and #ids <= 5, "1 to 5 ids of a reference", ids)
  local copy = {}
  for i = 1, #ids do
    expect(is_integer(ids[i], 32), "each id of a reference as an integer of 32 bits", ids[i])
    copy[i] = ids[i]
  end
  return setmetatable({ node = node, creation = creation, ids = copy }, metatables.Reference)
end

---@param node peerage.erlang.Atom
---@param id string 8 bytes, the highest first
---@param creation integer of 32 bits
---@return peerage.erlang.Port
function M.port(node, id, creation)
  expect(is_atom(node), "the node of a port as an atom", node)
  expect(type(id) == "string" and #id == 8, "the id of a port as 8 bytes", id)
  expect(is_integer(creation, 32), "the creation of a port as an integer of 32 bits", creation)
  return setmetatable({ node = node, id = id, creation = creation }, metatables.Port)
end

--- `fun module:name/arity`
---@param module peerage.erlang.Atom
---@param name peerage.erlang.Atom
---@param arity integer 0 to 255
---@return peerage.erlang.Export
function M.export(module, name, arity)
  expect(is_atom(module), "the module of a fun as an atom", module)
  expect(is_atom(name), "the name of a fun as an atom", name)
  expect(is_integer(arity, 8), "the arity of a fun as 0 to 255", arity)
  return setmetatable({ module = module, name = name, arity = arity }, metatables.Export)
end

--- A local fun, of which nothing but its bytes can be had.
---@param bytes string a whole NEW_FUN_EXT, with its tag
---@param module peerage.erlang.Atom
---@param arity integer
---@return peerage.erlang.Fun
function M.opaque_fun(bytes, module, arity)
  return setmetatable({ bytes = bytes, module = module, arity = arity }, metatables.Fun)
end

return M
