-- SPDX-License-Identifier: MIT
--- The process as a node of the Erlang distribution: its listener, its registration, its links.
--- Invariant: there is one link to a name at most; all its tasks and streams are in its scope.
local Attempt = require("peerage.erlang.attempt")
local Link = require("peerage.erlang.link")
local Listener = require("peerage.erlang.listener")
local Refusals = require("peerage.erlang.refusals")
local Registration = require("peerage.erlang.epmd.registration")
local big_endian = require("peerage.big_endian")
local control = require("peerage.erlang.control")
local crypto = require("engine.crypto")
local handshake = require("peerage.erlang.handshake")
local node_names = require("peerage.node")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}
M.__index = M

local HANDSHAKE = 7 -- seconds, as in OTP's net_kernel
local LOOKS = 8 -- times in a ticktime that the links are looked at
local TOO_LATE = 3 -- looks; who is so late himself was stopped, and blames nobody

---@class peerage.ErlangNodeSpec
---@field name string
---@field cookie fun(): string|nil, string? waits
---@field hidden boolean
---@field ticktime number seconds
---@field max_frame integer bytes
---@field listen string|false address, or false: nobody can connect to it
---@field dist_port integer[]|nil the first port to listen on and the last; nil: any
---@field epmd "auto"|"client"|"off"
---@field epmd_port integer|nil of all hosts; nil: ERL_EPMD_PORT or 4369
---@field handshake_timeout number|nil seconds that one who connects to us has for all of it; nil: 7
---@field log engine.log.logger
---@field scope engine.scope who owns it

local function random_number() return big_endian.read_u32(crypto.random(4), 1) end

local function listen(self)
  local message, code
  self.listener, message, code = Listener.start(self, self.spec.listen, self.spec.dist_port, self.spec.handshake_timeout or HANDSHAKE)
  if code == "EADDRNOTAVAIL" then message = message .. ": see the option listen" end
  return self.listener, message
end

local function register(self)
  local spec = self.spec
  if spec.epmd == "off" then return true end
  local registration, message, code = Registration.start({
    name = node_names.split(spec.name), port = self.listener.port, hidden = spec.hidden, mode = spec.epmd,
    epmd_port = spec.epmd_port, scope = self.scope, log = spec.log,
  })
  if code == "EEXIST" then
    message = spec.name .. ' is already registered here; if that is your BEAM node, use connect = "sidecar"'
  end
  self.registration = registration
  return registration, message
end

local function start(self)
  local cookie, message = self.spec.cookie()
  if not cookie then return nil, message end
  if not self.spec.listen then return true end
  local ok
  ok, message = listen(self)
  if ok then ok, message = register(self) end
  if not ok then return nil, message end
  self.spec.log.info("this is an Erlang node now", {
    name = self.spec.name, address = self.listener.host, port = self.listener.port, hidden = self.spec.hidden,
  })
  return true
end

--- Starts it. Waits: for its cookie, and until it is registered, or EPMD is known to be away.
---@param spec peerage.ErlangNodeSpec
---@return peerage.ErlangNode|nil node
---@return string? message
function M.start(spec)
  local self = setmetatable({
    spec = spec, scope = spec.scope:child(), refusals = Refusals.new(spec.log),
    creation = math.max(4, random_number()), -- never 0, nor one of the first three, which old nodes had
    links = {}, attempts = {}, watchers = {},
    arriving = {}, -- how many handshakes of a name are under way at the listener
    proved = {}, -- whose link is about to begin there: it is told so already
    call_count = 0,
  }, M)
  local ok, message = self.scope:run(start, self)
  if ok then return self end
  self.scope:close()
  return nil, message
end

--- What a handshake needs of this node.
---@param cookie string
---@param more table of one side's handshake
---@return table
function M:identity(cookie, more)
  more.name, more.creation, more.cookie, more.challenge = self.spec.name, self.creation, cookie, random_number()
  more.flags = handshake.FLAGS + (self.spec.hidden and 0 or handshake.PUBLISHED)
  return more
end

--- The cookie as it is now. Waits.
---@return string|nil cookie, string? message
function M:cookie() return self.spec.cookie() end

-- One that raised is still in the table.
local function attempt_of(self, name)
  local attempt = self.attempts[name]
  return attempt and not attempt.task:is_finished() and attempt or nil
end

--- How to answer one who says who it is, while all may still be a lie.
---@param peer { name: string }
---@return string status of the handshake
function M:decide(peer)
  local name = peer.name
  if self.links[name] then return "alive" end
  local attempt = attempt_of(self, name)
  if not (attempt and attempt.has_spoken) then return "ok" end
  return self.spec.name > name and "nok" or "ok_simultaneous"
end

local function tell_attempt(self, name)
  if self.attempts[name] then self.attempts[name]:tell() end
end

--- A handshake of a name began (1) or ended (-1) at the listener.
---@param name string
---@param change integer
function M:count_arrival(name, change)
  local count = (self.arriving[name] or 0) + change
  self.arriving[name] = count > 0 and count or nil
  tell_attempt(self, name)
end

--- A handshake at the listener has proved a name, or is over. The link that had the name ends before its successor is told
--- that it may begin, as with OTP's nodes.
---@param name string
---@param is_proved boolean
function M:mark_proved(name, is_proved)
  self.proved[name] = is_proved or nil
  if is_proved then self:drop_link(name) end
end

--- Whether an attempt of ours is to go on, though the node there has a link with us.
---@param name string
---@return boolean
function M:is_without_link(name) return not (self.links[name] or self.proved[name]) end

local function tell(self, name, is_up, reason)
  for watcher in next, self.watchers do watcher(name, is_up, reason) end
end

local function look_at_links(self)
  while next(self.links) do
    local pause, before = self.spec.ticktime / LOOKS, timer.now()
    task.sleep(pause)
    local was_stopped = timer.now() - before > TOO_LATE * pause
    for _, link in next, self.links do
      if was_stopped then link:forgive() end
      link:tick(self.spec.ticktime, pause)
    end
  end
end

local function start_looking(self)
  if self.looking and not self.looking:is_finished() then return end
  self.looking = self.scope:spawn(look_at_links, self)
end

local function take_end(self, link)
  local name, reason = link.peer.name, link.reason
  if self.links[name] == link then self.links[name] = nil end
  if reason:find("^protocol error") then self.refusals:add("protocol error", "a link ended: " .. reason, { name = name }) end
  tell(self, name, false, reason)
end

--- Ends the link of a name, if there is one; those who watch are told at once.
---@param name string
function M:drop_link(name)
  if self.links[name] then self.links[name]:close() end
end

--- Takes over a stream whose handshake is done.
---@param peer table as the handshake gave it
---@param stream engine.tcp.Stream
---@param rest string bytes that came after the handshake
function M:add_link(peer, stream, rest)
  self:drop_link(peer.name)
  local link = Link.new({
    stream = stream, peer = peer, rest = rest, self_node = { name = self.spec.name, creation = self.creation },
    scope = self.scope, max_frame = self.spec.max_frame, refusals = self.refusals,
    on_end = function(link) take_end(self, link) end,
  })
  self.links[peer.name] = link
  self.scope:spawn(link.run, link)
  tell(self, peer.name, true)
  tell_attempt(self, peer.name)
  start_looking(self)
end

local function run_attempt(self, attempt)
  local ok, reason = attempt:run()
  if self.attempts[attempt.name] == attempt then self.attempts[attempt.name] = nil end
  if self.links[attempt.name] then return true end -- it came in at the last moment
  return ok, reason
end

--- Links to a node, unless it is linked; attempts of several callers are one. Waits.
---@param name string
---@param options { port: integer?, timeout: number? } seconds, 7 without
---@return boolean linked true also for this node itself
---@return string? reason "not reachable: …", "name not registered: …", "wrong cookie: …", "not allowed: …", "conflict: …"
function M:connect(name, options)
  if name == self.spec.name or self.links[name] then return true end
  local attempt = attempt_of(self, name)
  if not attempt then
    attempt = Attempt.new(self, name, { port = options.port, timeout = scopes.timeout(options.timeout or HANDSHAKE) })
    attempt.task = self.scope:spawn(run_attempt, self, attempt)
    if not attempt.task then return false, "closed" end
    self.attempts[name] = attempt
  end
  local ended, ok, reason = attempt.task:join()
  if ended == false then error(ok, 0) end
  if not ended then return false, "closed" end
  return ok, reason
end

--- Ends the link to a node, and the attempt to make one: those who wait for that get "closed".
---@param name string
function M:disconnect(name)
  local attempt = self.attempts[name]
  self.attempts[name] = nil
  if attempt then attempt.task:cancel() end
  self:drop_link(name)
end

--- Who is linked.
---@return string[] names
function M:names()
  local names = {}
  for name in next, self.links do names[#names + 1] = name end
  return names
end

--- Whether one is.
---@param name string
---@return boolean
function M:is_linked(name) return self.links[name] ~= nil end

--- Which life of a linked node this is.
---@param name string
---@return integer|nil
function M:creation_of(name) return self.links[name] and self.links[name].peer.creation end

--- Has `watcher` called whenever a link begins or ends. It must not wait.
---@param watcher fun(name: string, is_up: boolean, reason: string?)
---@return fun() stop
function M:watch(watcher)
  self.watchers[watcher] = true
  return function() self.watchers[watcher] = nil end
end

--- Has a linked node call a function. Waits.
---@param name string
---@param module string
---@param fun string
---@param arguments table a list of terms
---@param seconds number
---@return any value a term, or nil
---@return string? message, string? code "ENOTCONN", "ETIMEDOUT", "ECONNRESET"
function M:call(name, module, fun, arguments, seconds)
  local link = self.links[name]
  if not link then return nil, "not connected", "ENOTCONN" end
  self.call_count = self.call_count + 1
  local frames, key = control.call(link.self_node, { self.call_count % 2 ^ 32 }, module, fun, arguments)
  return link:call(key, frames, seconds)
end

--- What strangers did wrong, and what goes on, by what it is.
---@return table<string, integer>
function M:counters()
  local counts = { links = #self:names(), pending = self.listener and self.listener:pending() or nil }
  for reason, count in next, self.refusals.counts do counts[reason] = count end
  for reason, count in next, self.registration and self.registration:counters() or {} do counts["epmd " .. reason] = count end
  return counts
end

--- Takes over what may change while it runs; a longer frame is for links to come. Silence counts anew by another ticktime:
--- the other sides' ticks came by the old one.
---@param changes { ticktime: number, max_frame: integer }
function M:configure(changes)
  local spec = self.spec
  spec.max_frame = changes.max_frame
  if changes.ticktime == spec.ticktime then return end
  spec.ticktime = changes.ticktime
  for _, link in next, self.links do link:forgive() end
  if self.looking then self.looking:cancel() end
  start_looking(self)
end

--- Ends it and all its links; those who watch, and those who wait for an answer, are told.
function M:close()
  if self.registration then self.registration:close() end
  for _, link in next, self.links do link:close() end
  self.scope:close()
end

return M
