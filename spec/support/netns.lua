-- SPDX-License-Identifier: MIT
--- Hosts of a spec: network namespaces on one switch, each with an address of 10.77.0.0/24.
local leftovers = require("support.leftovers")
local process = require("engine.process")

local M = {}
M.__index = M

-- Unique among the runs on one machine.
local tag = require("engine.crypto").random(2):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
local counter = 0

local function run(...)
  local result, message = process.run({ ... })
  if not result then return nil, message end
  if result.code ~= 0 then return nil, result.stderr end
  return true
end

--- Whether this user may make namespaces.
---@return boolean
function M.is_possible()
  local name = ("pe%s-probe"):format(tag)
  local ok = run("ip", "netns", "add", name)
  if ok then run("ip", "netns", "del", name) end
  return ok == true
end

local function build(self, count)
  local switch = self.switch
  assert(run("ip", "netns", "add", switch))
  assert(run("ip", "-n", switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"))
  assert(run("ip", "-n", switch, "link", "set", "br0", "up"))
  for i = 1, count do
    local host, port = ("%s-%d"):format(self.prefix, i), "port" .. i
    self.hosts[i] = host
    assert(run("ip", "netns", "add", host))
    assert(run("ip", "-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host))
    assert(run("ip", "-n", switch, "link", "set", port, "master", "br0", "up"))
    assert(run("ip", "-n", host, "addr", "add", ("10.77.0.%d/24"):format(i), "dev", "eth0"))
    assert(run("ip", "-n", host, "link", "set", "lo", "up"))
    assert(run("ip", "-n", host, "link", "set", "eth0", "up"))
  end
end

--- Makes `count` hosts joined by a bridge in a namespace of its own; half-made ones are removed again.
---@param count integer
---@return spec.Network
function M.new(count)
  counter = counter + 1
  local self = setmetatable({ prefix = ("pe%s-%d"):format(tag, counter), hosts = {} }, M)
  self.switch = self.prefix .. "-sw"
  leftovers.note(self)
  local ok, message = pcall(build, self, count)
  if ok then return self end
  self:remove()
  error(message, 0)
end

--- The address of host `i`.
function M:address(i) return ("10.77.0.%d"):format(i) end

--- Pulls the cable of host `i` at the switch; its own interface stays up, without a carrier.
function M:cut(i) assert(run("ip", "-n", self.switch, "link", "set", "port" .. i, "down")) end

--- Plugs it in again.
function M:mend(i) assert(run("ip", "-n", self.switch, "link", "set", "port" .. i, "up")) end

--- Takes the interface of host `i` down or up: its routes go with it.
---@param state "down"|"up"
function M:interface(i, state) assert(run("ip", "-n", self.hosts[i], "link", "set", "eth0", state)) end

--- Whether nft(8) can drop datagrams here.
function M:can_lose()
  local host = self.hosts[1]
  local ok = run("ip", "netns", "exec", host, "nft", "add table ip probe { chain c { numgen random mod 100 < 1 drop; }; }")
  if ok then run("ip", "netns", "exec", host, "nft", "delete table ip probe") end
  return ok == true
end

--- Drops that many percent of the UDP datagrams that come to host `i`, until `lose` says another number.
---@param percent integer 0: none
function M:lose(i, percent)
  local rules = ("add table ip loss; delete table ip loss; add table ip loss { chain input { type filter hook input "
    .. "priority 0; meta l4proto udp numgen random mod 100 < %d drop; }; }"):format(percent)
  if percent == 0 then rules = "delete table ip loss" end
  assert(run("ip", "netns", "exec", self.hosts[i], "nft", rules))
end

function M:remove()
  for _, host in ipairs(self.hosts) do run("ip", "netns", "del", host) end
  run("ip", "netns", "del", self.switch)
  leftovers.forget(self)
end

return M
