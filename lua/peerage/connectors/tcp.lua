-- SPDX-License-Identifier: MIT
--- Connects by TCP: a node is live while a connection to it is open, or with `keep = false` while it accepts one.
--- Invariant: `self.links` has exactly the live nodes.
local node_names = require("peerage.node")
local scopes = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")

local M = {}

M.options = {
  port = { type = "integer", min = 1, max = 65535, doc = "port of nodes whose provider gives none" },
  keep = { type = "boolean", default = true, doc = "keep the connection; false: connect, close, and try again at each poll" },
  lost_after = {
    type = "integer", default = 30, min = 1, max = 86400,
    doc = "seconds without a sign of life from the node's host after which it counts as lost",
  },
}

local TIMEOUT = 5 -- seconds, where the attempt has no limit of its own
local AT_ONCE = 64 -- probes

local WORDS = { EHOSTUNREACH = "no route to host", EOF = "closed by the node" }

-- What failed is in the report's other columns.
local function reason_of(message, code) return WORDS[code] or message:gsub("^cannot .-: ", "") end

local function links_of(self)
  self.links = self.links or {}
  return self.links
end

-- The stream belongs to the connector, not to the attempt; so the attempt's limit is handed over. A silent host is asked
-- whether it is there after a third of the time in which it is to answer.
local function open(self, host, port)
  local lost_after = self.options.lost_after
  local stream, message, code = self.scope:run(tcp.connect, {
    host = host, port = port, timeout = scopes.timeout(TIMEOUT),
    keepalive = math.ceil(lost_after / 3), user_timeout = lost_after,
  })
  if not stream then return nil, (reason_of(message, code)) end
  return stream
end

local function take_down(self, name, link, reason)
  if self.links[name] ~= link then return end
  self.links[name] = nil
  self:down(name, reason)
end

-- What the node says is of no interest here, only that it is there.
local function watch(self, name, link)
  local data, message, code
  repeat
    data, message, code = link.stream:read()
  until not data
  link.stream:close()
  take_down(self, name, link, (reason_of(message, code)))
end

--- Tries a node. Waits.
---@param node peerage.Node
---@return boolean connected
---@return string? reason
function M.connect(self, node)
  local links, port = links_of(self), node.port or self.options.port
  if not port then return false, "no port: neither the provider nor the option port gives one" end
  if links[node.name] then return true end
  local _, host = node_names.split(node.name)
  local stream, reason = open(self, host, port)
  if not stream then return false, reason end
  local link = { host = host, port = port, stream = stream }
  links[node.name] = link
  if self.options.keep then
    self.scope:spawn(watch, self, node.name, link)
  else
    stream:close()
  end
  return true
end

--- Closes the connection to a node.
---@param node { name: string }
function M.disconnect(self, node)
  local link = links_of(self)[node.name]
  links_of(self)[node.name] = nil
  if link then link.stream:close() end
end

local function probe(self, name)
  local link = self.links[name]
  if not link then return end
  local stream, reason = open(self, link.host, link.port)
  if stream then
    stream:close()
  else
    take_down(self, name, link, reason)
  end
end

local function probe_all(self, names)
  local workers, at = {}, 0
  local function work()
    while at < #names do
      at = at + 1
      probe(self, names[at])
    end
  end
  for i = 1, math.min(AT_ONCE, #names) do workers[i] = work end
  task.all(workers)
  self.is_probing = false
end

--- Who is live. Without `keep` this begins to try them all again, beside the caller.
---@return string[] names
function M.nodes(self)
  local names = {}
  for name in next, links_of(self) do names[#names + 1] = name end
  if not self.options.keep and not self.is_probing then
    self.is_probing = true
    self.scope:spawn(probe_all, self, names)
  end
  return names
end

return M
