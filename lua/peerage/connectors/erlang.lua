-- SPDX-License-Identifier: MIT
--- Connects as a node of the Erlang distribution: a node is live while there is a link to it, whoever made it.
--- Invariant: all clusters of the process share one node; a link that a cluster made ends when no cluster wants it.
local Node = require("peerage.erlang.node")
local cookies = require("peerage.erlang.cookie")
local copy = require("peerage.copy")
local describe = require("peerage.describe")
local equal = require("peerage.equal")
local net = require("engine.net")
local node_names = require("peerage.node")
local options = require("peerage.erlang.options")
local scopes = require("engine.scope")
local task = require("engine.task")

local M = {}

local ATTEMPT = 7 -- seconds to link to a node, if the cluster gives as many
local OF_LISTENER = { "dist_port", "epmd", "hidden", "listen" } -- what only a restart changes

local function check_ports(ports)
  if ports[1] % 1 == 0 and ports[2] % 1 == 0 then return true end
  return nil, ("expected whole numbers, found %g and %g"):format(ports[1], ports[2])
end

local function check_listen(address)
  if net.is_address(address) then return true end
  return nil, "expected an address like 0.0.0.0 or ::1, found " .. describe.value(address)
end

M.options = options.with({
  epmd = {
    type = "string", default = "auto", values = { "auto", "client", "off" },
    doc = "auto: serve EPMD where none answers; client: never; off: neither register nor serve",
  },
  hidden = { type = "boolean", default = true, doc = "stand in nodes(hidden) of BEAM nodes, not in nodes()" },
  listen = {
    type = "string", check = check_listen, doc = "address to listen on; default: the host in the name if it is one, else all",
  },
  dist_port = { type = "range", min = 1, max = 65535, check = check_ports, doc = "port to listen on, or the first and last; default: any" },
})

--- What is wrong with the options, or doubtful. Waits.
---@param given table
---@param context peerage.ConnectorContext
---@return true|nil ok
---@return string? message
function M.check(given, context)
  if not context.name_given then
    return nil, 'an Erlang node needs a name of its own: expected name = "app@host", found none'
  end
  local ok, message = options.check(given)
  if ok and given.cookie_file then ok, message = cookies.read({ cookie_file = given.cookie_file }) end
  if not ok then return nil, message end
  if context.provider.exposure then
    return true, ("anyone on the network can have this node dial others: provider %s takes names from anyone, see secret")
      :format(context.provider.name)
  end
  return true
end

---@class peerage.ErlangMembership what the clusters share
---@field node peerage.ErlangNode
---@field wanted table<string, table<table, boolean>> who of them wants a link to a name that is there, or being made
local Membership = {}
Membership.__index = Membership

local function address_of(name)
  local _, host = node_names.split(name)
  return net.is_address(host) and host or "0.0.0.0"
end

--- Makes the one node of the process. Waits.
---@param given table
---@param name string
---@param log engine.log.logger
---@return peerage.ErlangMembership|nil shared
---@return string? message
function M.share(given, name, log)
  local self = setmetatable({ options = given, log = log, wanted = {}, scope = scopes.new() }, Membership)
  local message
  self.node, message = Node.start({
    name = name, hidden = given.hidden, ticktime = given.ticktime, max_frame = given.max_frame, log = log,
    listen = given.listen or address_of(name), dist_port = given.dist_port, epmd = given.epmd, scope = self.scope,
    cookie = function()
      return cookies.read({ cookie = self.options.cookie, cookie_file = self.options.cookie_file, may_make = true })
    end,
  })
  if not self.node then
    self.scope:close()
    return nil, message
  end
  self.node:watch(function(peer, is_up)
    if not is_up then self.wanted[peer] = nil end
  end)
  return self
end

--- Takes over changed options. A new cookie is for the handshakes to come.
---@param given table
---@return true taken over
function Membership:configure(given)
  for _, name in ipairs(OF_LISTENER) do
    if not equal(self.options[name], given[name]) then self.log.warn(name .. ": changed: that needs a restart") end
  end
  self.options.cookie, self.options.cookie_file = given.cookie, given.cookie_file
  self.node:configure({ ticktime = given.ticktime, max_frame = given.max_frame })
  return true
end

local function forget(self, name, who)
  local wanted = self.wanted[name]
  if not (wanted and wanted[who]) then return false end
  wanted[who] = nil
  if not next(wanted) then self.wanted[name] = nil end
  return true
end

local function link(self, name, who, how)
  local ok, reason = self.node:connect(name, how)
  if not ok then forget(self, name, who) end
  return ok, reason
end

--- Links to a name, which somebody wants from now on; one that fails is wanted no more, even if nobody waits here by then.
--- Waits.
---@param name string
---@param who table
---@param port integer|nil
---@return boolean linked, string? reason
function Membership:connect(name, who, port)
  self.wanted[name] = self.wanted[name] or {}
  self.wanted[name][who] = true
  local linking = self.scope:spawn(link, self, name, who, { port = port, timeout = scopes.timeout(ATTEMPT) })
  if not linking then return false, "closed" end
  local ended, ok, reason = linking:join()
  if ended == false then error(ok, 0) end
  if not ended then return false, "closed" end
  return ok, reason
end

--- Somebody wants it no more; the last one's going ends the link, or the attempt to make it. A link that nobody ever wanted
--- is the other side's.
function Membership:release(name, who)
  if forget(self, name, who) and not self.wanted[name] then self.node:disconnect(name) end
end

--- Somebody wants nothing any more.
function Membership:release_all(who)
  for name in next, copy(self.wanted) do self:release(name, who) end
end

--- Ends the node.
function Membership:close()
  self.node:close()
  self.scope:close()
end

-- Names whose links this cluster let go, though they stay for others.
local function dropped_by(self)
  self.dropped = self.dropped or {}
  return self.dropped
end

--- Tells of links as they begin and end.
function M.serve(self)
  if self.stop_watching then self.stop_watching() end -- it was ended, and is started again
  self.stop_watching = self.shared.node:watch(function(name, is_up, reason)
    dropped_by(self)[name] = nil
    if is_up then self:up(name) else self:down(name, reason) end
  end)
  task.queue():pop() -- for ever
end

--- Links to a node. Waits.
---@param node peerage.Node
---@return boolean connected
---@return string? reason
function M.connect(self, node)
  local ok, reason = self.shared:connect(node.name, self, node.port)
  if not ok then return false, reason end
  dropped_by(self)[node.name] = nil
  return true
end

--- Lets a node go; its link ends unless another cluster wants it.
---@param node { name: string }
function M.disconnect(self, node)
  self.shared:release(node.name, self)
  dropped_by(self)[node.name] = self.shared.node:is_linked(node.name) or nil
end

--- Who is linked, by whomever, without those that this cluster let go.
---@return string[] names
function M.nodes(self)
  local names = {}
  for _, name in ipairs(self.shared.node:names()) do
    if not dropped_by(self)[name] then names[#names + 1] = name end
  end
  return names
end

--- Lets everything go that this cluster wanted.
function M.stop(self)
  if self.stop_watching then self.stop_watching() end
  self.shared:release_all(self)
end

---@return table<string, integer>
function M.counters(self) return self.shared.node:counters() end

return M
