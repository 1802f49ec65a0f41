-- SPDX-License-Identifier: MIT
--- Keeps a name registered with the EPMD of this host, and serves EPMD where none answers.
--- Invariant: it is registered, or trying, until it is closed; of several on one host at most one serves.
local Backoff = require("peerage.backoff")
local Server = require("peerage.erlang.epmd.server")
local epmd = require("peerage.erlang.epmd")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}
M.__index = M

local HOST = "127.0.0.1"
local DELAYS = { first = 0.1, max = 5 } -- seconds before the next try
local STEADY = 5 -- seconds; a registration that held so long begins with the first delay again

---@class peerage.EpmdRegistrationOptions
---@field name string the part before the @
---@field port integer where the node listens
---@field hidden boolean|nil
---@field mode "auto"|"client" auto: serve EPMD where none answers
---@field epmd_port integer|nil ERL_EPMD_PORT or 4369
---@field scope engine.scope who owns it
---@field log engine.log.logger

local function serve(self)
  local server, message, code = Server.start({ port = self.epmd_port, scope = self.scope, log = self.log })
  if not server then return nil, message, code end
  self.server = server
  self.log.info("epmd is served here", { port = server.port })
  return true
end

local function try(self)
  local stream, message, code = epmd.register(self.node, { port = self.epmd_port })
  if stream or code ~= "ECONNREFUSED" or self.mode ~= "auto" then return stream, message, code end
  local ok, why, why_code = serve(self)
  local was_faster = why_code == "EADDRINUSE" -- another one, who serves there now
  if not (ok or was_faster) then return nil, why, why_code end
  return epmd.register(self.node, { port = self.epmd_port })
end

-- Said once; what it tries in vain again and again is for the debug level.
local function complain(self, message, code)
  local level = message == self.complaint and "debug" or code == "EEXIST" and "error" or "warn"
  self.complaint = message
  self.log[level]("not registered, and trying again: " .. message, { name = self.node.name, port = self.node.port })
end

local function register(self)
  local stream, message, code = try(self)
  if not stream then return nil, message, code end
  self.stream, self.complaint = stream, nil
  self.counts.registered = self.counts.registered + 1
  self.log.info("registered with epmd", {
    name = self.node.name, port = self.node.port, epmd = epmd.label(HOST, self.epmd_port), served_here = self.server ~= nil,
  })
  return true
end

-- EPMD says nothing after its answer.
local function hold(self)
  local since = timer.now()
  local more = self.stream:read()
  self.stream:close()
  self.stream = nil
  self.counts.lost = self.counts.lost + 1
  self.log.warn("epmd ended the registration, which is made again: " .. (more and "it said something unexpected" or "it is gone"),
    { name = self.node.name })
  return timer.now() - since
end

local function keep(self)
  local backoff = Backoff.new(DELAYS)
  while true do
    if self.stream and hold(self) > STEADY then backoff:reset() end
    task.sleep(backoff:next())
    local ok, message, code = register(self)
    if not ok then complain(self, message, code) end
  end
end

--- Registers and goes on doing so. Waits for the first outcome.
---@param options peerage.EpmdRegistrationOptions
---@return peerage.EpmdRegistration|nil registration perhaps not registered yet
---@return string? message
---@return string? code "EEXIST": the name is in use; "EINVAL": ERL_EPMD_PORT is no port
function M.start(options)
  if options.mode ~= "auto" and options.mode ~= "client" then
    error(("expected the mode auto or client, found %s"):format(tostring(options.mode)), 2)
  end
  local epmd_port, why, why_code = options.epmd_port
  if not epmd_port then epmd_port, why, why_code = epmd.default_port() end
  if not epmd_port then return nil, why, why_code end
  local scope, closed, closed_code = options.scope:child()
  if not scope then return nil, closed, closed_code end
  local self = setmetatable({
    scope = scope, log = options.log, mode = options.mode, epmd_port = epmd_port,
    node = { name = options.name, port = options.port, hidden = options.hidden },
    counts = { registered = 0, lost = 0 },
  }, M)
  local ok, message, code = scope:run(register, self)
  if code == "EEXIST" or code == "ECANCELED" then
    scope:close()
    return nil, message, code
  end
  if not ok then complain(self, message, code) end
  scope:spawn(keep, self)
  return self
end

--- Whether EPMD knows the name, as far as is known here.
---@return boolean
function M:is_registered() return self.stream ~= nil end

--- How often it was registered and lost that, and the server's counters, if it serves.
---@return table<string, integer>
function M:counters()
  local counts = self.server and self.server:counters() or {}
  counts.registered, counts.lost = self.counts.registered, self.counts.lost
  return counts
end

--- Ends the registration, and the server.
function M:close()
  self.scope:close()
  self.stream = nil
end

return M
