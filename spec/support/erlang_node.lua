-- SPDX-License-Identifier: MIT
--- Nodes of ours inside the process of the specs, on loopback, without EPMD unless a spec wants it.
local Node = require("peerage.erlang.node")
local log = require("engine.log")
local scopes = require("engine.scope")

local M = {}

--- Starts one; `node.events` collects what its watchers hear: "+name" and "-name reason".
---@param name string
---@param more table|nil of peerage.ErlangNodeSpec
---@return peerage.ErlangNode|nil node, string? message
function M.start(name, more)
  local spec = {
    name = name, cookie = function() return "secret" end, hidden = true, ticktime = 60, max_frame = 8 * 1024 ^ 2,
    listen = "127.0.0.1", epmd = "off", log = log.named("spec"), scope = scopes.new(),
  }
  for key, value in pairs(more or {}) do spec[key] = value end
  local node, message = Node.start(spec)
  if not node then return nil, message end
  node.events = {}
  node:watch(function(peer, is_up, reason)
    node.events[#node.events + 1] = is_up and "+" .. peer or ("-%s %s"):format(peer, reason)
  end)
  return node
end

--- Where another of them listens, as `connect` wants it.
---@return { port: integer }
function M.at(node, more)
  local options = { port = node.listener.port }
  for key, value in pairs(more or {}) do options[key] = value end
  return options
end

return M
