-- SPDX-License-Identifier: MIT
--- One attempt to link to a node: finds its port, connects, shakes hands.
--- Invariant: when both sides try at once one link comes of it, by the attempt of the greater name, as the protocol has it.
local epmd = require("peerage.erlang.epmd")
local greeting = require("peerage.erlang.greeting")
local handshake = require("peerage.erlang.handshake")
local node_names = require("peerage.node")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")

local M = {}
M.__index = M

local WORDS = { EHOSTUNREACH = "no route to host" }

---@param node peerage.ErlangNode
---@param name string
---@param options { port: integer?, timeout: number } seconds for all of it
---@return peerage.Attempt
function M.new(node, name, options)
  return setmetatable({
    node = node, name = name, port = options.port, timeout = options.timeout,
    has_spoken = false, -- the other side has our name: it decides whose attempt goes on
    news = task.queue(1), -- of attempts of the other side
  }, M)
end

local function left(self) return math.max(0.001, self.deadline - timer.now()) end

local function find_port(self, host)
  if self.port then return self.port end
  local short = node_names.split(self.name)
  local port, message, code = epmd.port_of(short, host, { port = self.node.spec.epmd_port, timeout = left(self) })
  if port then return port end
  return nil, (code == "ENOTFOUND" and "name not registered: " or "not reachable: ") .. message
end

local function open(self)
  local _, host = node_names.split(self.name)
  local port, reason = find_port(self, host)
  if not port then return nil, reason end
  local stream, message, code = tcp.connect({ host = host, port = port, timeout = left(self) })
  if stream then return stream end
  return nil, "not reachable: " .. (WORDS[code] or message)
end

local function wait_while_arriving(self)
  while self.node.arriving[self.name] and not self.node.links[self.name] do self.news:pop() end
  return true
end

-- While the other side's own attempt is under way here ours would only be in its way. It may as well be a stranger who
-- claims the name and then says nothing: half of the time is ours.
local function wait_for_arrivals(self)
  if self.node.arriving[self.name] and not task.timeout(left(self) / 2, wait_while_arriving, self) then
    self.node.listener:end_claims(self.name)
  end
  return self.node.links[self.name] ~= nil
end

local function wait_for_link(self)
  while not self.node.links[self.name] do self.news:pop() end
  return true
end

local function greet(self, stream, cookie)
  local node = self.node
  local machine = handshake.dial(node:identity(cookie, {
    peer = self.name, is_wanted = function() return node:is_without_link(self.name) end,
  }))
  self.has_spoken = true
  local verdict = greeting.run(machine, stream)
  self.has_spoken = false
  if verdict.ok then
    node:add_link(verdict.peer, stream, verdict.rest)
    return true
  end
  stream:close()
  if verdict.reason == "nok" then return wait_for_link(self) end
  return false, verdict.message or verdict.reason
end

local function dial(self)
  local cookie, message = self.node:cookie()
  if not cookie then return false, message end
  if wait_for_arrivals(self) then return true end
  local stream, reason = open(self)
  if not stream then return false, reason end
  if not wait_for_arrivals(self) then return greet(self, stream, cookie) end
  stream:close()
  return true
end

--- Carries it out. Waits. To be called in a task of the node's.
---@return boolean linked
---@return string? reason
function M:run()
  self.deadline = timer.now() + self.timeout
  local ok, reason, code = task.timeout(self.timeout, dial, self)
  if ok == nil and code == "ETIMEDOUT" then
    return false, ("not reachable: no answer in %.2g s"):format(self.timeout)
  end
  return ok == true, reason
end

--- The other side's attempt has come to its end, one way or the other.
function M:tell() self.news:push(true) end

return M
