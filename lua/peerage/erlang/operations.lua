-- SPDX-License-Identifier: MIT
--- The operations of distribution messages: the parts of each, and what a node without processes answers. Pure.
--- The numbers and parts are those of the guide "Erlang Distribution Protocol", "Protocol between Connected Nodes".
local etf = require("peerage.erlang.etf")

local M = {}

---@class peerage.erlang.Operation in the array part the kinds of what follows the number in the control message:
---  those of etf.kind, "process" (a pid or a registered name), "any"
---@field name string
---@field reads? fun(control: any): boolean nil: no message comes after it; else whether that can be of interest: a term
---  that nobody waits for is not looked at, and may be as deep and large as it likes
---@field is_mail? boolean the message is for a process of ours: the response to a call
---@field answer? fun(control: any, message: any, self_node: peerage.erlang.Self): any, any what to send: nil, or a
---  control message and its message

local EMPTY, NET_KERNEL, GLOBAL = etf.atom(""), etf.atom("net_kernel"), etf.atom("global_name_server")
local GEN_CALL, SYSTEM, IS_AUTH, YES = etf.atom("$gen_call"), etf.atom("system"), etf.atom("is_auth"), etf.atom("yes")
local GEN_CAST, INIT_CONNECT, IN_SYNC, TRUE = etf.atom("$gen_cast"), etf.atom("init_connect"), etf.atom("in_sync"), etf.atom("true")
local REX, CALL, BADRPC = etf.atom("rex"), etf.atom("call"), etf.atom("badrpc")
local NOPROC, NOTSUP, ERROR = etf.atom("noproc"), etf.atom("notsup"), etf.atom("error")
local REG_SEND = 6
local NO_SPAWN_FLAGS = 0

--- The number of a message to a registered name.
M.REG_SEND = REG_SEND

--- The one pid that we send by: nobody is behind it.
---@param self_node peerage.erlang.Self
---@return peerage.erlang.Pid
function M.pid_of(self_node) return etf.pid(etf.atom(self_node.name), 1, 0, self_node.creation) end

local function is_tuple(term, n) return etf.kind(term) == "tuple" and term.n == n end

local function always() return true end

local function never() return false end

-- gen:call/4 monitors its server, sends `{'$gen_call', {From, Tag}, Request}` and waits for `{Tag, Reply}`. The tag is
-- any term, mostly the improper list [alias | Reference]. What we cannot do is refused, so that nobody waits; so is what
-- the module sys asks, with `system` in the first place.
local function answer_call(message)
  if not is_tuple(message, 3) or message[1] ~= GEN_CALL and message[1] ~= SYSTEM then return nil end
  if not is_tuple(message[2], 2) then return nil end
  local from, tag, request = message[2][1], message[2][2], message[3]
  if etf.kind(from) ~= "pid" then return nil end
  local is_ping = is_tuple(request, 2) and request[1] == IS_AUTH
  return etf.tuple(2, EMPTY, from), etf.tuple(tag, is_ping and YES or etf.tuple(ERROR, NOTSUP))
end

-- A peer's global greets that of a visible node: `{init_connect, …}`. Until it hears that both agree on their names (as we
-- have none, they do), global:sync/0 waits there. Source: global.erl of OTP 25.
local function answer_global(message, self_node)
  if not is_tuple(message, 2) or message[1] ~= GEN_CAST then return nil end
  local said = message[2]
  if etf.kind(said) ~= "tuple" or said[1] ~= INIT_CONNECT then return nil end
  local in_sync = etf.tuple(IN_SYNC, etf.atom(self_node.name), TRUE)
  return etf.tuple(REG_SEND, M.pid_of(self_node), EMPTY, GLOBAL), etf.tuple(GEN_CAST, in_sync)
end

-- ei_rpc of nodes in C (erl_call, too) and their like in Java send `{From, {call, Module, Function, Arguments, user}}` and
-- wait for `{rex, Value}` without a monitor.
local function answer_rpc(message)
  if not is_tuple(message, 2) or etf.kind(message[1]) ~= "pid" then return nil end
  local request = message[2]
  if not is_tuple(request, 5) or request[1] ~= CALL then return nil end
  return etf.tuple(2, EMPTY, message[1]), etf.tuple(REX, etf.tuple(BADRPC, NOTSUP))
end

-- Who answers what is sent to a registered name.
local servers = { [NET_KERNEL] = answer_call, [REX] = answer_rpc, [GLOBAL] = answer_global }

-- {6, From, Unused, Name}
local function has_server(control) return servers[control[4]] ~= nil end

local function answer_named(control, message, self_node)
  local server = servers[control[4]]
  if server then return server(message, self_node) end
end

-- {19, From, To, Reference}. The one process that we seem to have is net_kernel: who pings monitors it.
local function answer_monitor(control)
  if control[3] == NET_KERNEL then return nil end
  return etf.tuple(21, control[3], control[2], control[4], NOPROC)
end

-- {1, From, To}
local function answer_link(control) return etf.tuple(3, control[3], control[2], NOPROC) end

-- {35, Id, From, To}
local function answer_unlink(control) return etf.tuple(36, control[2], control[4], control[3]) end

-- {29, RequestId, From, GroupLeader, {Module, Function, Arity}, Options}
local function answer_spawn(control) return etf.tuple(31, control[2], control[3], NO_SPAWN_FLAGS, NOTSUP) end

local function mail(operation)
  operation.reads, operation.is_mail = always, true
  return operation
end

local function named_mail(operation)
  operation.reads, operation.answer = has_server, answer_named
  return operation
end

local function unread(operation)
  operation.reads = never
  return operation
end

---@type table<integer, peerage.erlang.Operation>
local by_number = {
  [1] = { name = "LINK", "pid", "pid", answer = answer_link },
  [2] = mail({ name = "SEND", "any", "pid" }),
  [3] = { name = "EXIT", "pid", "pid", "any" },
  [4] = { name = "UNLINK", "pid", "pid" },
  [5] = { name = "NODE_LINK" },
  [REG_SEND] = named_mail({ name = "REG_SEND", "pid", "any", "atom" }),
  [7] = { name = "GROUP_LEADER", "pid", "pid" },
  [8] = { name = "EXIT2", "pid", "pid", "any" },
  [12] = mail({ name = "SEND_TT", "any", "pid", "any" }),
  [13] = { name = "EXIT_TT", "pid", "pid", "any", "any" },
  [16] = named_mail({ name = "REG_SEND_TT", "pid", "any", "atom", "any" }),
  [18] = { name = "EXIT2_TT", "pid", "pid", "any", "any" },
  [19] = { name = "MONITOR_P", "pid", "process", "reference", answer = answer_monitor },
  [20] = { name = "DEMONITOR_P", "pid", "process", "reference" },
  [21] = { name = "MONITOR_P_EXIT", "process", "pid", "reference", "any" },
  [22] = mail({ name = "SEND_SENDER", "pid", "pid" }),
  [23] = mail({ name = "SEND_SENDER_TT", "pid", "pid", "any" }),
  [24] = unread({ name = "PAYLOAD_EXIT", "pid", "pid" }),
  [25] = unread({ name = "PAYLOAD_EXIT_TT", "pid", "pid", "any" }),
  [26] = unread({ name = "PAYLOAD_EXIT2", "pid", "pid" }),
  [27] = unread({ name = "PAYLOAD_EXIT2_TT", "pid", "pid", "any" }),
  [28] = unread({ name = "PAYLOAD_MONITOR_P_EXIT", "process", "pid", "reference" }),
  [29] = unread({ name = "SPAWN_REQUEST", "reference", "pid", "pid", "tuple", "list", answer = answer_spawn }),
  [30] = unread({ name = "SPAWN_REQUEST_TT", "reference", "pid", "pid", "tuple", "list", "any", answer = answer_spawn }),
  [31] = { name = "SPAWN_REPLY", "reference", "pid", "integer", "any" },
  [32] = { name = "SPAWN_REPLY_TT", "reference", "pid", "integer", "any", "any" },
  [33] = mail({ name = "ALIAS_SEND", "pid", "reference" }),
  [34] = mail({ name = "ALIAS_SEND_TT", "pid", "reference", "any" }),
  [35] = { name = "UNLINK_ID", "integer", "pid", "pid", answer = answer_unlink },
  [36] = { name = "UNLINK_ID_ACK", "integer", "pid", "pid" },
}

--- The operation of a control message, if we know it.
---@param control any a tuple
---@return peerage.erlang.Operation|nil
function M.of(control) return by_number[control[1]] end

local function fits(term, expected)
  local kind = etf.kind(term)
  return expected == "any" or kind == expected or expected == "process" and (kind == "pid" or kind == "atom")
end

--- Whether the parts of a control message are what its operation wants.
---@param operation peerage.erlang.Operation
---@param control any
---@return boolean|nil ok
---@return string? message
function M.check(operation, control)
  local found = control.n - 1
  if found ~= #operation then
    return nil, ("%s: expected %d parts, found %d"):format(operation.name, #operation, found)
  end
  for i, expected in ipairs(operation) do
    local part = control[i + 1]
    if not fits(part, expected) then
      local what = (expected:find("^[ai]") and "an " or "a ") .. expected
      return nil, ("%s: part %d: expected %s, found %s"):format(operation.name, i, what, etf.describe(part))
    end
  end
  return true
end

return M
