-- SPDX-License-Identifier: MIT
--- Real DNS servers on a loopback port: knot, authoritative for a zone, and dnsmasq.
local fs = require("engine.fs")
local process = require("engine.process")
local task = require("engine.task")
local tcp = require("engine.tcp")

local folder = require("support.folder")

local M = {}
M.__index = M

local HOST = "127.0.0.1"
local PATIENCE = require("support.patience")

local function path_of(name)
  for _, place in ipairs({ "/usr/sbin/", "/usr/bin/", "/usr/local/sbin/", "/usr/local/bin/" }) do
    if fs.stat(place .. name) then return place .. name end
  end
end

--- Whether the server `name` ("knotd", "dnsmasq") is installed.
function M.has(name) return path_of(name) ~= nil end

-- These servers cannot be asked which port they got.
local function free_port()
  local listener = assert(tcp.listen({ host = HOST, port = 0 }))
  local _, port = listener:address()
  listener:close()
  return port
end

-- Starts `command` and waits for the line that says that it serves.
local function start(port, ready, command)
  local arguments = { "sh", "-c", 'exec "$@" 2>&1', "sh", unpack(command) }
  local self = setmetatable({ address = HOST .. ":" .. port, process = assert(process.start(arguments)) }, M)
  local log = {}
  local is_ready = task.timeout(PATIENCE, function()
    for line in self.process:lines() do
      log[#log + 1] = line
      if line:find(ready, 1, true) then return true end
    end
  end)
  assert(is_ready, table.concat(log, "\n"))
  return self
end

--- Knot, with a zone of these lines.
---@param domain string
---@param zone string lines of a zone file, after its SOA
function M.knot(domain, zone)
  local port, place = free_port(), folder.new()
  place:write("zone", "$TTL 30\n@ SOA ns admin 1 3600 600 86400 30\n" .. zone .. "\n")
  local config = place:write("knot.conf", ([[
server:
    listen: %s@%d
    rundir: %s
    tcp-workers: 1
    udp-workers: 1
database:
    storage: %s
log:
  - target: stderr
    any: info
zone:
  - domain: %s
    storage: %s
    file: zone
]]):format(HOST, port, place.path, place.path, domain, place.path))
  local self = start(port, "server started", { path_of("knotd"), "-c", config })
  self.folder = place
  return self
end

--- dnsmasq, without upstream servers.
---@param arguments string[] more of its options, such as "--host-record=name,10.0.0.1"
function M.dnsmasq(arguments)
  local port = free_port()
  return start(port, "started", {
    path_of("dnsmasq"), "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces",
    "--listen-address=" .. HOST, "--port=" .. port, "--pid-file=", unpack(arguments),
  })
end

function M:stop()
  self.process:kill("KILL")
  self.process:wait()
  self.process:close()
  if self.folder then self.folder:remove() end
end

return M
