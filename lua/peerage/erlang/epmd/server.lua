-- SPDX-License-Identifier: MIT
--- An EPMD: nodes of this host register, and anyone may ask where they listen.
--- Invariant: a name is registered exactly as long as the connection is open that registered it; what strangers can
--- make it hold is bounded, in number and in time.
local Guests = require("peerage.erlang.guests")
local Refusals = require("peerage.erlang.refusals")
local addresses = require("peerage.erlang.epmd.addresses")
local big_endian = require("peerage.big_endian")
local crypto = require("engine.crypto")
local messages = require("peerage.erlang.epmd.messages")
local task = require("engine.task")

local M = {}
M.__index = M

local DEADLINE = 5 -- seconds for a request and its answer
local MOST_GUESTS = 256 -- connections that have not asked yet
local MOST_NAMES = 1000
local RESERVED = 4 -- creations below: 0 is none, 1 to 3 are those of two bits

-- Counts on from a random number: it differs from start to start, and between registrations.
local function next_creation(self)
  self.creation = self.creation and self.creation + 1 or big_endian.read_u32(crypto.random(4), 1)
  if self.creation >= 2 ^ 32 or self.creation < RESERVED then self.creation = RESERVED end
  return self.creation
end

-- Kept until a name comes or goes: anyone may ask, as often as he likes.
local function names_reply(self)
  if self.names then return self.names end
  local entries = {}
  for _, entry in next, self.entries do entries[#entries + 1] = entry end
  table.sort(entries, function(a, b) return a.name < b.name end)
  self.names = messages.names_reply(self.port, entries)
  return self.names
end

local function refusal(reason, message, ...) return { reason = reason, message = message:format(...) } end

-- Why a registration cannot be.
local function obstacle(self, name)
  if self.entries[name] then return refusal("name in use", "a node tried to register the name of another: %s", name) end
  if self.count < self.most_names then return end
  return refusal("full", "a node tried to register, and %d are: that is the limit", self.count)
end

local function enter(self, guest, request)
  self.entries[request.name], self.count, guest.entry = request, self.count + 1, request
  self.names = nil
  self.counts.registrations = self.counts.registrations + 1
end

-- Each answers a request: true, or a refusal. Who does not take the answer misses it.
local answers = {}

function answers.alive(self, guest, request)
  if not addresses.is_local(guest.stream) then return refusal("not local", "a node of another host tried to register") end
  local why_not = obstacle(self, request.name)
  if not why_not then enter(self, guest, request) end
  guest.stream:write(messages.alive_reply(request.high, not why_not and next_creation(self) or nil))
  return why_not or true
end

function answers.port(self, guest, request)
  self.counts["look-ups"] = self.counts["look-ups"] + 1
  guest.stream:write(messages.port_reply(self.entries[request.name]))
  return true
end

function answers.names(self, guest)
  self.counts["look-ups"] = self.counts["look-ups"] + 1
  guest.stream:write(names_reply(self))
  return true
end

function answers.refused(_, _, request) return refusal("refused", "%s is not served here", request.name) end

local function answer(self, guest)
  local head = guest.stream:read(2)
  if not head then return refusal("gone", "it asked nothing") end
  local size = messages.read_size(head)
  if size < 1 or size > messages.MAX_REQUEST then
    return refusal("malformed", "a request of %d bytes, expected 1 to %d", size, messages.MAX_REQUEST)
  end
  local body = guest.stream:read(size)
  if not body then return refusal("malformed", "a request that ended before its %d bytes", size) end
  local request, message = messages.read_request(body)
  if not request then return refusal("malformed", "%s", message) end
  return answers[request.kind](self, guest, request)
end

-- One that comes and goes, as a health check does, is only counted.
local function refuse(self, guest, why)
  if guest.evicted then why = refusal("too many", "it asked nothing: %s", guest.evicted) end
  if why.reason == "gone" then
    self.counts.gone = self.counts.gone + 1
  else
    self.refusals:add(why.reason, "epmd ended a connection: " .. why.message, { address = guest.host })
  end
end

-- The connection says nothing more. Whatever it does, the registration ends with it.
local function hold(self, guest)
  local more = guest.stream:read()
  if more then
    self.refusals:add("malformed", "epmd: more bytes came after a registration, which ends", { name = guest.entry.name })
  end
end

local function release(self, entry)
  if self.entries[entry.name] ~= entry then return end
  self.entries[entry.name], self.count = nil, self.count - 1
  self.names = nil
end

local function serve(self, guest)
  local result = task.timeout(self.deadline, answer, self, guest)
    or refusal("too slow", "a request took longer than %g s", self.deadline)
  self.guests:remove(guest)
  if result ~= true then
    refuse(self, guest, result)
  elseif guest.entry then
    hold(self, guest)
  end
  if guest.entry then release(self, guest.entry) end
  guest.stream:close()
end

local function accept(self, listener)
  for stream in function() return self.guests:accept(listener) end do
    local guest = { stream = stream, host = addresses.peer(stream) }
    self.guests:add(guest)
    task.spawn(serve, self, guest)
  end
end

local function start(self, port)
  local listeners, message, code = addresses.listen(port, self.log)
  if not listeners then return nil, message, code end
  self.port = select(2, listeners[1]:address())
  for _, listener in ipairs(listeners) do task.spawn(accept, self, listener) end
  return self
end

---@class peerage.EpmdServerOptions
---@field port integer 0: any
---@field scope engine.scope who owns it
---@field log engine.log.logger
---@field deadline number|nil seconds for a request and its answer; default 5
---@field most_names integer|nil registrations; default 1000

--- Serves. Waits.
---@param options peerage.EpmdServerOptions
---@return peerage.EpmdServer|nil server its `port` is where it listens
---@return string? message
---@return string? code "EADDRINUSE": another one serves there; EACCES…
function M.start(options)
  local scope, message, code = options.scope:child("epmd")
  if not scope then return nil, message, code end
  local self = setmetatable({
    scope = scope, log = options.log, refusals = Refusals.new(options.log), guests = Guests.new(MOST_GUESTS),
    deadline = options.deadline or DEADLINE, most_names = options.most_names or MOST_NAMES,
    entries = {}, count = 0, -- registrations by name
    counts = { registrations = 0, ["look-ups"] = 0, gone = 0 },
  }, M)
  local ok
  ok, message, code = scope:run(start, self, options.port)
  if ok then return self end
  scope:close()
  return nil, message, code
end

--- How many names are registered now, and what happened since the start: registrations, look-ups, "gone" (connections
--- that asked nothing), and refusals by reason.
---@return table<string, integer>
function M:counters()
  local counts = { names = self.count }
  for _, some in ipairs({ self.counts, self.refusals.counts }) do
    for reason, number in next, some do counts[reason] = number end
  end
  return counts
end

--- Ends all of it: listeners, connections, and so all registrations.
function M:close() self.scope:close() end

return M
