-- SPDX-License-Identifier: MIT
--- Bytes to atoms: alone, and where nothing but an atom may stand.
local atoms = require("peerage.erlang.etf.atom")
local utf8 = require("peerage.erlang.etf.utf8")

local M = {}

local function reader(count, is_latin1)
  return function(input, at)
    local size, first = input[count](input, at, "an atom")
    input:need(first, size, "an atom of %d bytes", size)
    local name = input.data:sub(first, first + size - 1)
    local atom, message = atoms.find(is_latin1 and utf8.from_latin1(name) or name)
    return atom or input:fail(first, message), first + size
  end
end

--- By tag: from the position after it to the atom and the next position.
M.readers = {
  [100] = reader("u16", true), [115] = reader("u8", true), [118] = reader("u16"), [119] = reader("u8"),
}

--- Reads an atom and nothing else.
---@param input peerage.erlang.Input
---@param at integer where its tag is
---@param what string "the node of a pid"
---@return peerage.erlang.Atom atom, integer next
function M.read(input, at, what)
  local tag, next_at = input:u8(at, what)
  local read = M.readers[tag] or input:fail(at, "%s begins with %d, expected an atom", what, tag)
  return read(input, next_at)
end

return M
