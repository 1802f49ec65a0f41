-- SPDX-License-Identifier: MIT
--- Atoms. Invariant: there is one object per name, and none for a name that nobody has any more: a peer that names
--- ever new ones does not make us grow.
local expect = require("peerage.erlang.etf.expect")
local kinds = require("peerage.erlang.etf.kinds")
local utf8 = require("peerage.erlang.etf.utf8")

local M = {}

local CHARACTERS = 255 -- at most, as in Erlang

local atoms = setmetatable({}, { __mode = "v" })

--- The atom of a name that may be none.
---@param name string
---@return peerage.erlang.Atom|nil atom
---@return string? message "an atom of 300 characters, expected at most 255", "an atom that is not UTF-8"
function M.find(name)
  local atom = atoms[name]
  if atom then return atom end
  local length = utf8.length(name)
  if not length then return nil, "an atom that is not UTF-8" end
  if length > CHARACTERS then
    return nil, ("an atom of %d characters, expected at most %d"):format(length, CHARACTERS)
  end
  atom = setmetatable({ name = name }, kinds.metatables.Atom)
  atoms[name] = atom
  return atom
end

--- The atom of a name, which raises if it is not UTF-8 or longer than 255 characters.
---@param name string
---@return peerage.erlang.Atom
function M.new(name)
  expect(type(name) == "string", "the name of an atom as a string", name)
  local atom, message = M.find(name)
  return atom or error(message, 2)
end

return M
