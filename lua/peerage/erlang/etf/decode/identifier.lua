-- SPDX-License-Identifier: MIT
--- Bytes to pids, ports and references. Their creation has one byte in the forms from before OTP 23.
local identifier = require("peerage.erlang.etf.identifier")
local read_atom = require("peerage.erlang.etf.decode.atom").read

local M = {}

local readers = {}

--- By tag: from the position after it to the term and the next position.
M.readers = readers

local function pid_reader(creation_size)
  return function(input, at)
    local node, id, serial, creation
    node, at = read_atom(input, at, "the node of a pid")
    id, at = input:u32(at, "a pid")
    serial, at = input:u32(at, "a pid")
    creation, at = input[creation_size](input, at, "a pid")
    return identifier.pid(node, id, serial, creation), at
  end
end

readers[88], readers[103] = pid_reader("u32"), pid_reader("u8")

local function port_reader(id_bytes, creation_size)
  return function(input, at)
    local node, creation
    node, at = read_atom(input, at, "the node of a port")
    input:need(at, id_bytes, "the id of a port of %d bytes", id_bytes)
    local id = ("\0"):rep(8 - id_bytes) .. input.data:sub(at, at + id_bytes - 1)
    creation, at = input[creation_size](input, at + id_bytes, "a port")
    return identifier.port(node, id, creation), at
  end
end

readers[120], readers[89], readers[102] = port_reader(8, "u32"), port_reader(4, "u32"), port_reader(4, "u8")

local function reference_reader(creation_size)
  return function(input, at)
    local count, first = input:u16(at, "a reference")
    if count < 1 or count > 5 then input:fail(at, "a reference of %d ids, expected 1 to 5", count) end
    local node, creation
    node, at = read_atom(input, first, "the node of a reference")
    creation, at = input[creation_size](input, at, "a reference")
    local ids = {}
    for i = 1, count do ids[i], at = input:u32(at, "a reference") end
    return identifier.reference(node, creation, ids), at
  end
end

readers[90], readers[114] = reference_reader("u32"), reference_reader("u8")

readers[101] = function(input, at)
  local node, id, creation
  node, at = read_atom(input, at, "the node of a reference")
  id, at = input:u32(at, "a reference")
  creation, at = input:u8(at, "a reference")
  return identifier.reference(node, creation, { id }), at
end

return M
