-- SPDX-License-Identifier: MIT
--- A spec's look-ups at a scripted server of its own, with files of its own instead of /etc/hosts and /etc/resolv.conf.
local dns = require("engine.dns")

local dns_server = require("support.dns_server")
local folder = require("support.folder")

local M = {}
M.__index = M

---@return spec.DnsClient
function M.new()
  local self = setmetatable({ files = folder.new() }, M)
  self:use_files()
  return self
end

--- Has look-ups read these texts.
function M:use_files(hosts, resolv_conf)
  dns.files({ hosts = self.files:write("hosts", hosts or ""), resolv_conf = self.files:write("resolv.conf", resolv_conf or "") })
end

--- Starts the server that is asked from now on.
---@return table server of support.dns_server
function M:serve(names, host)
  self.server = dns_server.start(names, host)
  return self.server
end

--- The addresses of a name, IPv4 unless `options` say otherwise.
function M:ask(name, options)
  options = options or {}
  options.servers = options.servers or { self.server.address }
  options.family = options.family or "inet"
  return dns.addresses(name, options)
end

function M:query(name, kind, options)
  options = options or {}
  options.servers = options.servers or { self.server.address }
  return dns.query(name, kind, options)
end

function M:stop()
  if self.server then self.server:stop() end
  dns.files()
  self.files:remove()
end

--- The address of each.
function M.addresses_of(list)
  local result = {}
  for i, found in ipairs(list) do result[i] = found.address end
  return result
end

--- Asserts that the results after `text` are a failure with this code, and with this text in its message.
function M.assert_failure(code, text, ...)
  local list, message, found = ...
  assert(list == nil, "expected a failure, found a list")
  assert(found == code, ("expected %s, found %s: %s"):format(code, found, message))
  assert(message:find(text, 1, true), ("expected %q in %q"):format(text, message))
end

return M
