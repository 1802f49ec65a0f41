-- SPDX-License-Identifier: MIT
--- Distribution messages as bytes: reads them, makes the answers of a node without processes, and its calls. Pure.
--- Invariant: whatever a peer sends is answered, ignored or malformed; nothing raises, nothing is kept.
local big_endian = require("peerage.big_endian")
local etf = require("peerage.erlang.etf")
local operations = require("peerage.erlang.operations")
local char = string.char

local M = {}

local PASS_THROUGH, VERSION = 112, 131
local MAX_IDS = 5 -- numbers of a reference, 32 bits each
local LIMITS = {
  terms = 200000, -- more than any list of nodes that is live; about 25 MB while they are held
  depth = 900, -- of a tag, say: what is echoed must be within what etf.encode can write
}

local EMPTY, GEN_CALL, IS_AUTH, NET_KERNEL = etf.atom(""), etf.atom("$gen_call"), etf.atom("is_auth"), etf.atom("net_kernel")
local REX, CALL, USER = etf.atom("rex"), etf.atom("call"), etf.atom("user")

--- What keeps an idle link alive: a frame of no bytes.
M.TICK = "\0\0\0\0"

---@class peerage.erlang.Self who we are on a link, as the handshake said it
---@field name string the whole node name
---@field creation integer

---@class peerage.erlang.Reply the response to one of our calls
---@field reference string the key that `call` or `ping` gave
---@field value any a term

--- A control message as it goes over the wire, with its length.
---@param control any a tuple
---@param message any|nil a term, for the operations that one comes with
---@return string bytes
function M.frame(control, message)
  local body = char(PASS_THROUGH, VERSION) .. etf.encode(control)
  if message ~= nil then body = body .. char(VERSION) .. etf.encode(message) end
  return big_endian.u32(#body) .. body
end

-- A term with the byte before it that says the version of the format.
local function read_term(payload, at)
  local version = payload:byte(at)
  if version ~= VERSION then
    return nil, ("expected the version %d, found %s"):format(VERSION, version or "the end of the frame")
  end
  return etf.decode(payload, at + 1, LIMITS)
end

local function read_message(operation, control, payload, at)
  local message
  if operation.reads then
    if at > #payload then return nil, operation.name .. ": expected a message, found the end of the frame" end
    if not operation.reads(control) then return control end
    message, at = read_term(payload, at)
    if message == nil then return nil, operation.name .. ": message: " .. at end
  end
  if at <= #payload then return nil, ("%s: it ends %d bytes before its frame"):format(operation.name, #payload - at + 1) end
  return control, message
end

--- Reads a frame's payload, which must not be empty.
---@param payload string the bytes after the length
---@return any|nil control a tuple whose parts are what its operation wants; nil: malformed, the link must be closed
---@return any|nil message the term that came with it, if that can be of interest; or what is wrong
function M.read(payload)
  if payload:byte(1) ~= PASS_THROUGH then
    return nil, ("expected a frame that begins with %d, found %s"):format(PASS_THROUGH, payload:byte(1) or "an empty one")
  end
  local control, at = read_term(payload, 2)
  if control == nil then return nil, "control message: " .. at end
  if etf.kind(control) ~= "tuple" or type(control[1]) ~= "number" then
    return nil, "control message: expected a tuple that begins with a number, found " .. etf.describe(control)
  end
  local operation = operations.of(control)
  if not operation then return control end
  local ok, why = operations.check(operation, control)
  if not ok then return nil, why end
  return read_message(operation, control, payload, at)
end

local function key_of(reference) return table.concat(reference.ids, ".") end

-- The response to a call is `{Reference, Value}`.
local function reply_of(self_node, message)
  if etf.kind(message) ~= "tuple" or message.n ~= 2 then return nil end
  local reference = message[1]
  if etf.kind(reference) ~= "reference" then return nil end
  if reference.node.name ~= self_node.name or reference.creation ~= self_node.creation then return nil end
  return { reference = key_of(reference), value = message[2] }
end

--- What we do with a control message that `read` gave.
---@param self_node peerage.erlang.Self
---@param control any
---@param message any|nil
---@return string[]|nil answers frames to send
---@return peerage.erlang.Reply|nil reply
---@return string|nil ignored "unknown operation"
function M.take(self_node, control, message)
  local operation = operations.of(control)
  if not operation then return nil, nil, "unknown operation" end
  if operation.is_mail then return nil, reply_of(self_node, message) end
  local answer, its_message
  if operation.answer then answer, its_message = operation.answer(control, message, self_node) end
  return answer and { M.frame(answer, its_message) }
end

-- gen:call/4's request to a registered process of the peer.
local function request(self_node, ids, server, what)
  if #ids < 1 or #ids > MAX_IDS then error(("control: a reference has 1 to %d ids, found %d"):format(MAX_IDS, #ids), 3) end
  local from = operations.pid_of(self_node)
  local reference = etf.reference(from.node, self_node.creation, ids)
  local message = etf.tuple(GEN_CALL, etf.tuple(from, reference), what)
  return M.frame(etf.tuple(operations.REG_SEND, from, EMPTY, server), message), key_of(reference)
end

--- Asks the peer's `rex` to call a function, as rpc:call/4 did before OTP 23. The value is what the function returned,
--- or `{badrpc, Reason}`.
---@param self_node peerage.erlang.Self
---@param ids integer[] 1 to 5 numbers of 32 bits, unlike those of any other call on this link
---@param module string
---@param fun string
---@param args any a list of terms
---@return string frame
---@return string key what the reply's `reference` will be
function M.call(self_node, ids, module, fun, args)
  return request(self_node, ids, REX, etf.tuple(CALL, etf.atom(module), etf.atom(fun), args, USER))
end

--- Asks whether the peer is there, as net_adm:ping/1 does. The value is the atom `yes`.
---@param self_node peerage.erlang.Self
---@param ids integer[] as with `call`
---@return string frame
---@return string key
function M.ping(self_node, ids)
  return request(self_node, ids, NET_KERNEL, etf.tuple(IS_AUTH, etf.atom(self_node.name)))
end

return M
