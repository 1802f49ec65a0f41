-- SPDX-License-Identifier: MIT
--- Finds nodes by asking a DNS name for its addresses: app_name@address each; SRV gives app_name@target with its port.
local dns = require("engine.dns")
local node = require("peerage.node")

local M = {}

local FAMILIES = { A = "inet", AAAA = "inet6", any = "any" }

M.options = {
  dns_name = { type = "string", default = "localhost", min = 1, max = 254, doc = "the name to look up" },
  app_name = {
    type = "string", default = "nonode", doc = "the part before the @",
    check = function(value) return node.check_name(value .. "@localhost") end,
  },
  type = { type = "string", default = "A", values = { "A", "AAAA", "any", "SRV" }, doc = "what to ask for" },
  port = { type = "integer", min = 1, max = 65535, doc = "port of each node; SRV has its own" },
  servers = {
    type = "list", of = { type = "string", min = 1 }, min = 1,
    doc = 'DNS servers, "10.0.0.2" or "10.0.0.2:5353", instead of those of resolv.conf',
  },
  dns_timeout = { type = "number", default = 1, min = 0.001, max = 300, doc = "seconds for one look-up" },
  tries = { type = "integer", default = 2, min = 1, max = 10, doc = "how often each server is asked" },
}

-- No such name and no such record are certain answers: there are none.
local function none_or_unknown(message, code)
  if code == "ENOTFOUND" or code == "ENODATA" then return {} end
  return nil, message
end

local function from_addresses(self, options)
  options.family = FAMILIES[self.options.type]
  local found, message, code = dns.addresses(self.options.dns_name, options)
  if not found then return none_or_unknown(message, code) end
  local nodes = {}
  for i, each in ipairs(found) do
    nodes[i] = { name = self.options.app_name .. "@" .. each.address, port = self.options.port }
  end
  return nodes, message
end

local function from_services(self, options)
  local found, message, code = dns.query(self.options.dns_name, "SRV", options)
  if not found then return none_or_unknown(message, code) end
  local nodes = {}
  for _, each in ipairs(found) do
    local target = each.target:gsub("%.$", "")
    if target ~= "" then -- a target of "." says that there is no such service (RFC 2782)
      nodes[#nodes + 1] = { name = self.options.app_name .. "@" .. target, port = each.port > 0 and each.port or nil }
    end
  end
  return nodes
end

---@return peerage.Node[]|nil nodes, string? message
function M.poll(self)
  local options = { servers = self.options.servers, timeout = self.options.dns_timeout, tries = self.options.tries }
  if self.options.type == "SRV" then return from_services(self, options) end
  return from_addresses(self, options)
end

return M
