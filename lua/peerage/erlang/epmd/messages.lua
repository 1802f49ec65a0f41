-- SPDX-License-Identifier: MIT
--- The messages of EPMD as bytes: OTP's guide "Erlang Distribution Protocol", and what epmd of OTP 25 says and takes.
--- Pure. Invariant: the name of a request that was read fits into a line of the list of names.
local big_endian = require("peerage.big_endian")
local u16, u32, read_u16, read_u32 = big_endian.u16, big_endian.u32, big_endian.read_u16, big_endian.read_u32
local byte, char, sub = string.byte, string.char, string.sub

local M = {}

M.VERSION = 6 -- of the distribution protocol, since OTP 23
M.MAX_NAME = 255 -- bytes
M.MAX_REQUEST = 600 -- bytes: a registration with a name and an extra of 255 each has 523

local NORMAL, HIDDEN = 77, 72
local ALIVE, PORT, NAMES = 120, 122, 110
local ALIVE_REPLY, OLD_ALIVE_REPLY, PORT_REPLY = 118, 121, 119
local IN_USE, UNKNOWN = 1, 1 -- results
local ALIVE_SIZE = 13 -- bytes of a registration without name and extra

-- Any host may ask for the list; to end epmd or another's registration is nothing that a protocol should offer.
local REFUSED = { [100] = "DUMP", [107] = "KILL", [115] = "STOP" }

local function write_request(body) return u16(#body) .. body end

--- Asks for a name to be registered, for as long as the connection is open.
---@param node { name: string, port: integer, hidden: boolean|nil } name: the part before the @
---@return string bytes
function M.alive(node)
  return write_request(char(ALIVE) .. u16(node.port) .. char(node.hidden and HIDDEN or NORMAL, 0)
    .. u16(M.VERSION) .. u16(M.VERSION) .. u16(#node.name) .. node.name .. u16(0))
end

--- Asks for a node's port.
---@param name string
---@return string bytes
function M.port_please(name) return write_request(char(PORT) .. name) end

--- Asks for all names.
---@return string bytes
function M.names() return write_request(char(NAMES)) end

---@class peerage.EpmdRequest
---@field kind "alive"|"port"|"names"|"refused"
---@field name string|nil of "alive" and "port": a node's; of "refused": what was asked for
---@field port integer|nil of "alive", like all below
---@field type integer|nil
---@field protocol integer|nil
---@field high integer|nil greatest version of the distribution protocol
---@field low integer|nil
---@field extra string|nil

local function check_name(name)
  if #name < 1 or #name > M.MAX_NAME then
    return nil, ("a name of %d bytes: expected 1 to %d"):format(#name, M.MAX_NAME)
  end
  if name:find("[%z\1-\32\127]") then return nil, "a name with a space or a control character" end
  return name
end

local function read_alive(body)
  local function lies(what, size)
    return nil, ("a registration of %d bytes: its %s says %d"):format(#body, what, size)
  end
  if #body <= ALIVE_SIZE then return nil, ("a registration of %d bytes: expected more than %d"):format(#body, ALIVE_SIZE) end
  local size = read_u16(body, 10)
  if ALIVE_SIZE + size > #body then return lies("name's length", size) end
  local extra_size = read_u16(body, 12 + size)
  if ALIVE_SIZE + size + extra_size > #body then return lies("extra's length", extra_size) end
  local name, reason = check_name(sub(body, 12, 11 + size))
  if not name then return nil, reason end
  return {
    kind = "alive", name = name, port = read_u16(body, 2), type = byte(body, 4), protocol = byte(body, 5),
    high = read_u16(body, 6), low = read_u16(body, 8), extra = sub(body, 14 + size, 13 + size + extra_size),
  }
end

local function read_port_please(body)
  local name, reason = check_name((sub(body, 2):gsub("%z$", ""))) -- old clients end it with a zero
  if not name then return nil, reason end
  return { kind = "port", name = name }
end

local READERS = { [ALIVE] = read_alive, [PORT] = read_port_please, [NAMES] = function() return { kind = "names" } end }

--- How long the request is whose first two bytes these are.
---@param head string 2 bytes
---@return integer bytes
function M.read_size(head) return read_u16(head, 1) end

--- Reads a request.
---@param body string what comes after its length, at least a byte
---@return peerage.EpmdRequest|nil request
---@return string? reason
function M.read_request(body)
  local tag = byte(body)
  if REFUSED[tag] then return { kind = "refused", name = REFUSED[tag] } end
  if not READERS[tag] then return nil, ("a request with tag %d: expected 120, 122 or 110"):format(tag) end
  return READERS[tag](body)
end

--- Answers a registration. Nodes from before OTP 23 get a creation of two bits: 1 to 3.
---@param high integer the request's
---@param creation integer|nil 32 bits; nil: the name is in use
---@return string bytes
function M.alive_reply(high, creation)
  local result = char(creation and 0 or IN_USE)
  if high >= M.VERSION then return char(ALIVE_REPLY) .. result .. u32(creation or 0) end
  return char(OLD_ALIVE_REPLY) .. result .. u16(creation and creation % 3 + 1 or 0)
end

--- Answers the question for a port.
---@param entry peerage.EpmdRequest|nil the registration; nil: there is none of that name
---@return string bytes
function M.port_reply(entry)
  if not entry then return char(PORT_REPLY, UNKNOWN) end
  return char(PORT_REPLY, 0) .. u16(entry.port) .. char(entry.type, entry.protocol) .. u16(entry.high)
    .. u16(entry.low) .. u16(#entry.name) .. entry.name .. u16(#entry.extra) .. entry.extra
end

--- Answers the question for all names.
---@param port integer epmd's own
---@param entries { name: string, port: integer }[]
---@return string bytes
function M.names_reply(port, entries)
  local lines = { u32(port) }
  for i, entry in ipairs(entries) do lines[i + 1] = ("name %s at port %d\n"):format(entry.name, entry.port) end
  return table.concat(lines)
end

local CREATIONS = { [ALIVE_REPLY] = 4, [OLD_ALIVE_REPLY] = 2 } -- bytes

local function unexpected(tag, expected) return nil, ("it answered with tag %d, expected %s"):format(tag, expected), "EPROTO" end

--- Reads the answer to a registration.
---@param take fun(count: integer): string|nil, string?, string? gives the next bytes
---@return integer|nil creation, string? message, string? code "EEXIST": the name is in use; "EPROTO"; or of `take`
function M.read_alive_reply(take)
  local head, message, code = take(2)
  if not head then return nil, message, code end
  local tag, result = byte(head, 1, 2)
  if not CREATIONS[tag] then return unexpected(tag, "118 or 121") end
  if result ~= 0 then return nil, "the name is in use", "EEXIST" end
  local creation
  creation, message, code = take(CREATIONS[tag])
  if not creation then return nil, message, code end
  return #creation == 4 and read_u32(creation, 1) or read_u16(creation, 1)
end

--- Reads the answer to the question for a port, as far as it is of use.
---@param take fun(count: integer): string|nil, string?, string?
---@return { port: integer, high: integer, low: integer }|nil entry
---@return string? message, string? code "ENOTFOUND": not registered; "EPROTO"; or of `take`
function M.read_port_reply(take)
  local head, message, code = take(2)
  if not head then return nil, message, code end
  local tag, result = byte(head, 1, 2)
  if tag ~= PORT_REPLY then return unexpected(tag, "119") end
  if result ~= 0 then return nil, "it knows no node of that name", "ENOTFOUND" end
  local data
  data, message, code = take(8)
  if not data then return nil, message, code end
  return { port = read_u16(data, 1), high = read_u16(data, 5), low = read_u16(data, 7) }
end

--- Reads the list of names, without the port before it. What is no such line is left out.
---@param text string
---@return { name: string, port: integer }[] entries
function M.read_names(text)
  local entries = {}
  for name, port in text:gmatch("name (%S+) at port (%d+)\n") do
    entries[#entries + 1] = { name = name, port = tonumber(port) }
  end
  return entries
end

return M
