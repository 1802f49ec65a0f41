-- SPDX-License-Identifier: MIT
--- Connects a BEAM node: has the one of this engine's name connect to what was found, over a link of our own to it.
--- Invariant: we neither listen nor register, nothing of the BEAM node depends on us, and what it is handed is bounded.
local Beam = require("peerage.erlang.beam")
local Node = require("peerage.erlang.node")
local erlang_options = require("peerage.erlang.options")
local etf = require("peerage.erlang.etf")
local node_names = require("peerage.node")
local scopes = require("engine.scope")

local M = { ignores_ports = true } -- those that were found are for others: the BEAM node asks EPMD

local CONNECTED, TRUE, FALSE, IGNORED = etf.atom("connected"), etf.atom("true"), etf.atom("false"), etf.atom("ignored")
local NOT_TRIED = "EAGAIN"

M.options = erlang_options.with({
  port = { type = "integer", min = 1, max = 65535, doc = "the BEAM node's distribution port; default: EPMD is asked" },
})

-- With -name a BEAM node takes hosts only that have a dot or are an IPv6 address.
local function has_short_host(name)
  local _, host = node_names.split(name)
  return not host:find("[.:]")
end

local function check_name(context)
  if not context.name_given then
    return nil, 'a sidecar speaks for the BEAM node of its name: expected name = "app@host", found none'
  end
  if has_short_host(context.name) then
    return nil, ("nodes with short names (-sname) are not supported: start the BEAM node with -name, "
      .. "and give a name whose host has a dot, found %s"):format(context.name)
  end
  local own_name = Beam.PREFIX .. context.name
  if node_names.is_name(own_name) then return true end
  return nil, ("the name is too long: the sidecar's own node is called %s, which has %d bytes, 255 are allowed"):format(
    own_name, #own_name)
end

-- A stranger without the cookie could have nodes of ours connect to each other.
local function check_exposure(provider)
  if provider.exposure == "open" then
    return nil, ("provider %s takes names from anyone on the network, and the BEAM node would connect to them: "
      .. "give it a secret, or write accept_plain = true"):format(provider.name)
  elseif provider.exposure then
    return true, ("anyone on the network can have the BEAM node connect to others: provider %s takes names from anyone")
      :format(provider.name)
  end
  return true
end

--- What is wrong with the options and what they stand in, or doubtful.
---@param options table
---@param context peerage.ConnectorContext
---@return true|nil ok
---@return string? message
function M.check(options, context)
  local ok, message = erlang_options.check(options)
  if not ok then return nil, message end
  ok, message = check_name(context)
  if not ok then return nil, message end
  return check_exposure(context.provider)
end

--- Begins to speak for the BEAM node, which may come later.
---@param options table
---@param name string
---@param log engine.log.logger
---@return peerage.Beam shared
function M.share(options, name, log)
  return Beam.start({ name = name, options = options, log = log, scope = scopes.new(), start_node = Node.start })
end

local function refusal(beam, name)
  if not node_names.is_name(name) then return "not a node name of at most 255 bytes" end
  if name == beam.own_name then return "that is the sidecar itself" end
  if has_short_host(name) then return "a host without a dot: the BEAM node takes long names only" end
end

--- Has the BEAM node connect to a node. Waits.
---@param node peerage.Node
---@return boolean connected
---@return string? reason
---@return string? code "EAGAIN": the node had no part in it
function M.connect(self, node)
  local beam, name = self.shared, node.name
  if name == beam.name then return true end
  local reason = refusal(beam, name)
  if reason then return false, reason end
  if not beam:is_linked() then return false, beam:waits_for(), NOT_TRIED end
  local ok
  ok, reason = beam:admit(name)
  if not ok then return false, reason, NOT_TRIED end
  local answer, message = beam:call("net_kernel", "connect_node", etf.atom(name))
  if answer == TRUE then return true end
  if answer == FALSE then return false, "not reachable from the BEAM node, or their cookies differ" end
  if answer == IGNORED then return false, "the BEAM node is not distributed" end
  if answer then return false, "the BEAM node answered " .. etf.describe(answer) end
  return false, message, not beam:is_linked() and NOT_TRIED or nil
end

--- Has the BEAM node disconnect from a node that it was handed. Waits.
---@param node { name: string }
function M.disconnect(self, node)
  local beam = self.shared
  if not beam:is_linked() or not beam.allowance:has(node.name) then return end
  local _, message = beam:call("erlang", "disconnect_node", etf.atom(node.name))
  if message then self.log.warn("cannot disconnect: " .. message, { name = node.name }) end
end

--- To whom the BEAM node is connected, but for us; to nobody while there is no BEAM node. Waits.
---@return string[]|nil names
---@return string? message
function M.nodes(self)
  local beam = self.shared
  if not beam:is_linked() then return {} end
  local list, message = beam:call("erlang", "nodes", CONNECTED)
  if list == nil then return nil, message end
  if etf.kind(list) ~= "list" then return nil, "expected a list of nodes, found " .. etf.describe(list) end
  local names = {}
  for _, atom in ipairs(list) do
    local name = etf.kind(atom) == "atom" and atom.name
    if name and name ~= beam.own_name and node_names.is_name(name) then names[#names + 1] = name end
  end
  return names
end

---@return table<string, integer>
function M.counters(self) return self.shared:counters() end

return M
