-- SPDX-License-Identifier: MIT
--- Finds nodes that announce themselves to a multicast group, as Elixir's Peerage does, and announces this one.
--- With a secret, announcements are signed and only signed ones count. Nothing is ever sent to a datagram's source.
local announcement = require("peerage.announcement")
local crypto = require("engine.crypto")
local describe = require("peerage.describe")
local fs = require("engine.fs")
local net = require("engine.net")
local roster = require("peerage.roster")
local secrets = require("peerage.secrets")
local task = require("engine.task")
local timer = require("engine.timer")
local udp = require("engine.udp")

local M = {}

local ANSWER = 0.25 -- seconds in which a new node is answered, and between two answers
local ECHO = 1 -- seconds; our own datagrams come back much sooner
local REMEMBER = 10 -- times `expire`: how long the last stamp of a node is kept
local FLOOD = 100 -- datagrams lost a second, from which on a silence proves less
local PATIENCE = 3 -- times `expire`: how long a silence may last then; of 18 announcements one comes through
local JUMP = 1 -- seconds of the wall clock against the monotonic one, more than any that is being adjusted drifts
local SETTLE = 0.1 -- seconds after a change in the folder of the secrets
local RECEIVE_BUFFER = 1024 * 1024 -- bytes; the kernel gives less where net.core.rmem_max is less
local ANY = { ["0.0.0.0"] = true, ["::"] = true }

local function check_group(value)
  local first = tonumber(value:match("^(%d+)%.%d+%.%d+%.%d+$"))
  if first and first >= 224 and first <= 239 or value:find("^[fF][fF]%x%x:[%x:.]*$") then return true end
  return nil, ('expected a group such as "230.1.1.1" or "ff02::1", found %s'):format(describe.text(value))
end

M.options = {
  port = { type = "integer", default = 45900, min = 1, max = 65535, doc = "port of the group" },
  ip = { type = "string", default = "0.0.0.0", doc = "a local address: only its interface is used" },
  interface = { type = "string", min = 1, doc = "only this interface is used" },
  multicast_addr = { type = "string", default = "230.1.1.1", check = check_group, doc = "the group, IPv4 or IPv6" },
  ttl = { type = "integer", default = 1, min = 0, max = 255, doc = "routers that an announcement may cross, and one" },
  announce = { type = "range", default = { 3, 7 }, min = 0.1, max = 3600, doc = "seconds between announcements" },
  expire = { type = "number", default = 30, min = 0.2, max = 86400, doc = "seconds until a silent node is forgotten" },
  max_nodes = { type = "integer", default = 10000, min = 1, max = 1000000, doc = "how many are remembered" },
  secret = {
    type = { "string", "list" }, of = { type = "string", secret = true }, secret = true, check = secrets.check,
    doc = "at least 16 bytes; of several the first signs, all verify",
  },
  secret_file = { type = "path", doc = "a file of secrets, one a line; it is watched" },
  accept_plain = { type = "boolean", doc = "take unsigned announcements, too (false with a secret)" },
  announce_plain = { type = "boolean", doc = "make unsigned announcements, too (false with a secret)" },
  max_skew = { type = "number", default = 60, min = 0.1, max = 86400, doc = "seconds that clocks may differ" },
}

local function count(self, reason) self.state.counts[reason] = (self.state.counts[reason] or 0) + 1 end

local function warn_once(self, message, fields)
  if self.warned[message] then return end
  self.warned[message] = true
  self.log.warn(message, fields)
end

-- Listed at each announcement, not at each datagram, which a stranger may send.
local function list_addresses(self)
  self.addresses = {}
  for _, entry in ipairs(net.interfaces() or {}) do self.addresses[entry.address] = true end
end

-- Said once between two announcements, for the datagrams of a stranger cost nothing.
local function count_conflict(self, sender)
  count(self, "conflict")
  if self.has_said_conflict then return end
  self.has_said_conflict = true
  self.log.error("another engine uses this name", { name = self.name, address = (sender:address()) })
end

local function take_news(self)
  self.wake:push(true)
  self:poll_soon()
end

local function count_full(self)
  count(self, "full")
  warn_once(self, "more nodes announce themselves than max_nodes allows", { max_nodes = self.options.max_nodes })
end

-- A plain datagram bears no instance: ours is one from this host, just after we sent it.
local function take_own_plain(self, sender)
  local is_echo = self.passive or not self.announced_at or timer.now() - self.announced_at < ECHO
  if is_echo and self.addresses[(sender:address())] then return count(self, "own") end
  count_conflict(self, sender)
end

local function take_plain(self, data, sender)
  local name = announcement.read_plain(data)
  if not name then return count(self, "malformed") end
  if name == self.name then return take_own_plain(self, sender) end
  if not self.accepts_plain then return count(self, "plain") end
  local is_new = self.roster:hear_plain(name, data, timer.now())
  if is_new == nil then return count_full(self) end
  if is_new then take_news(self) end
end

-- One of ours may come back; one of an engine that had our name before we started is no conflict.
local function take_own_signed(self, said, sender)
  if said.instance == self.state.instance then return count(self, "own") end
  if said.stamp < self.started_stamp then return count(self, "stale") end
  count_conflict(self, sender)
end

local function take_signed(self, data, sender)
  if #self.secrets == 0 then return count(self, "mac") end
  local said, reason = announcement.read_signed(data, self.secrets, self.context)
  if not said then
    count(self, reason)
    if reason == "mac" then
      warn_once(self, "announcements are not signed with a secret of ours", { address = (sender:address()) })
    end
    return
  end
  if math.abs(said.stamp - timer.wall_clock()) > self.options.max_skew * 1e6 then
    count(self, "stale")
    return warn_once(self, "announcements of a node are out of time: its clock is wrong, or ours, or they are replayed",
      { name = said.name, address = (sender:address()) })
  end
  if said.name == self.name then return take_own_signed(self, said, sender) end
  local what, is_conflict = self.roster:hear_signed(said, timer.now())
  if is_conflict then
    self.log.warn("two engines use one name", { name = said.name, address = (sender:address()) })
  end
  if what == "full" then return count_full(self) end
  if what == "stale" then count(self, "stale") end
  if what == "new" then take_news(self) end
  if what == "restarted" then self.wake:push(true) end
  if what == "left" then self:poll_soon() end
end

local function hear(self)
  local known = self.state.known
  for data, sender, read_at in self.socket:messages() do
    if known[data] then
      known[data] = read_at
    elseif announcement.is_signed(data) then
      take_signed(self, data, sender)
    else
      take_plain(self, data, sender)
    end
  end
end

-- What the wall clock says more than the monotonic one, which nobody sets.
local function say_jump(self, wall)
  local offset = wall / 1e6 - timer.now()
  local jump = offset - (self.clock_offset or offset)
  self.clock_offset = offset
  if math.abs(jump) < JUMP then return end
  self.log.warn(("the wall clock, which dates signed announcements, was set %s by %.0f s"):format(
    jump > 0 and "forward" or "back", math.abs(jump)))
end

-- Always greater than the last one of this instance, whatever the wall clock does. What is further ahead than max_skew is
-- heard by nobody: from there on another instance begins anew, which those who heard this one hear when they have forgotten it.
local function next_stamp(self)
  local state, wall = self.state, timer.wall_clock()
  say_jump(self, wall)
  if state.stamp and state.stamp - wall > self.options.max_skew * 1e6 then
    state.instance, state.stamp, self.started_stamp = crypto.random(announcement.INSTANCE), nil, wall
  end
  state.stamp = math.max(wall, (state.stamp or 0) + 1)
  return state.stamp
end

local function send(self, data)
  local ok, message = self.socket:send(data, self.group, self.options.port)
  if not ok then warn_once(self, message) end
end

local function send_signed(self, kind)
  local stamp = next_stamp(self) -- which may make another instance
  local said = { type = kind, instance = self.state.instance, stamp = stamp, name = self.name }
  send(self, announcement.write_signed(said, self.secrets[1], self.context))
end

-- Interfaces come and go, so they are listed anew each time.
local function join(self)
  local names, message = self.socket:join(self.interfaces)
  if message then warn_once(self, message) end
  local list = names and table.concat(names, " ") or "none"
  if list == self.joined then return end
  self.joined = list
  self.log.info("the group is joined", { group = self.group, port = self.options.port, interfaces = list })
end

-- Nil and a message when the file cannot be read; the secrets read before stay.
local function read_secrets(self)
  local option, path = self.options.secret or {}, self.options.secret_file
  local list = type(option) == "table" and { unpack(option) } or { option }
  if path then
    local from_file, message = secrets.read(path)
    if not from_file then return nil, message end
    for _, secret in ipairs(from_file) do list[#list + 1] = secret end
  end
  if self.secrets and table.concat(list, "\n") ~= table.concat(self.secrets, "\n") then
    self.log.info("the secrets have changed", { count = #list })
    self.warned = {}
  end
  self.secrets = list
  return list
end

local function refresh_secrets(self)
  local list, message = read_secrets(self)
  if not list then warn_once(self, message .. "; the secrets read before stay") end
end

-- In a flood the announcements of real nodes are lost, too.
local function sweep(self)
  local now, lost = timer.now(), self.socket:drops()
  local earlier = self.losses
  if now - earlier.at >= 1 then
    if lost - earlier.count > FLOOD * (now - earlier.at) then self.flooded_at = now end
    self.losses = { count = lost, at = now }
  end
  local is_flooded = self.flooded_at and now - self.flooded_at < self.options.expire
  self.roster:sweep(now, is_flooded and PATIENCE or 1)
end

local function announce(self)
  join(self)
  list_addresses(self)
  sweep(self)
  self.has_said_conflict = false
  if self.passive then return end
  self.announced_at = timer.now()
  if #self.secrets > 0 then send_signed(self, "announce") end
  if self.announces_plain then send(self, announcement.write_plain(self.name)) end
end

-- Uniform in 0 to 1. Not math.random: each process begins that with the same numbers.
local function random()
  local high, low = crypto.random(2):byte(1, 2)
  return (high * 256 + low) / 65536
end

local function keep_announcing(self)
  local least, most = self.options.announce[1], self.options.announce[2]
  while true do
    if self.options.secret_file then refresh_secrets(self) end
    announce(self)
    local sent_at = timer.now()
    if task.timeout(least + (most - least) * random(), self.wake.pop, self.wake) then
      task.sleep(math.max(ANSWER * random(), sent_at + ANSWER - timer.now()))
      if self.wake:count() > 0 then self.wake:pop() end
    end
  end
end

-- The folder is watched: a secret that Kubernetes mounts changes by a symbolic link beside it.
local function keep_secrets(self)
  local watcher, message = fs.watch(self.options.secret_file:match("^(.*)/[^/]*$") or ".")
  if not watcher then return self.log.warn("secret_file is read at each announcement only: " .. message) end
  for _ in watcher:each() do
    task.sleep(SETTLE)
    refresh_secrets(self)
  end
end

local function open(self)
  local options = self.options
  local multicast = { group = options.multicast_addr, interfaces = self.interfaces, ttl = options.ttl, only = true }
  return udp.open({ port = options.port, reuse = true, receive_buffer = RECEIVE_BUFFER, multicast = multicast })
end

-- With a secret nothing that was not signed counts, and nothing unsigned is said, unless the options say so.
local function choose_plain(self)
  local options, is_open = self.options, #self.secrets == 0
  self.accepts_plain, self.announces_plain = options.accept_plain, options.announce_plain
  if self.accepts_plain == nil then self.accepts_plain = is_open end
  if self.announces_plain == nil then self.announces_plain = is_open end
  if is_open then self.log.warn("no secret is set: anyone on the network can add names") end
end

local function prepare_roster(self)
  local options, keeps_stamps = self.options, #self.secrets > 0
  self.roster = roster.new(self.state, {
    max = options.max_nodes, expire = options.expire,
    max_plain = keeps_stamps and math.floor(options.max_nodes / 2) or nil,
    remember = keeps_stamps and math.max(REMEMBER * options.expire, 2 * options.max_skew) or 0,
    remember_least = keeps_stamps and 2 * options.max_skew or 0,
  })
  if not self.accepts_plain then self.roster:forget_plain() end
  if options.expire <= options.announce[2] then
    self.log.warn("expire is not longer than the time between announcements: nodes will come and go")
  end
end

local function prepare(self)
  local options, state = self.options, self.state
  self.warned, self.wake, self.joined, self.secrets = {}, task.queue(1), nil, nil
  self.addresses, self.losses = {}, { count = 0, at = timer.now() }
  self.interfaces = options.interface and { options.interface } or not ANY[options.ip] and { options.ip } or nil
  state.counts, state.instance = state.counts or {}, state.instance or crypto.random(announcement.INSTANCE)
  self.started_stamp = self.started_stamp or next_stamp(self)
  local list, message = read_secrets(self)
  if not list then return nil, message end
  choose_plain(self)
  prepare_roster(self)
  return true
end

--- Listens and announces until it is ended. Without a secret that it was to have, it stays silent and deaf.
function M.serve(self)
  local ok, message = prepare(self)
  if ok then self.socket, message = open(self) end
  self.trouble = message
  if message then error(message, 0) end
  self.group = self.socket:group()
  self.context = announcement.context(self.group, self.options.port)
  local parts = { function() hear(self) end, function() keep_announcing(self) end }
  if self.options.secret_file then parts[3] = function() keep_secrets(self) end end
  task.all(parts)
end

---@return string[]|nil names, string? message
function M.poll(self)
  if not self.socket or not self.socket:address() then return nil, self.trouble or "it does not listen yet" end
  sweep(self)
  return self.roster:names()
end

--- Says goodbye, so that the others need not wait for `expire`; without a secret anyone could say it for us.
function M.stop(self)
  if self.passive or not self.socket or not self.secrets or #self.secrets == 0 then return end
  send_signed(self, "leave")
end

--- Whether anyone on the network can name nodes, as far as the options say: what unsigned announcements say counts.
---@param options table
---@return "open"|"accepted"|nil exposure "accepted": it is written that they are wanted
function M.exposure(options)
  if options.accept_plain then return "accepted" end
  local is_signed = options.secret ~= nil or options.secret_file ~= nil
  return not is_signed and options.accept_plain == nil and "open" or nil
end

--- Datagrams that did not count, by reason.
---@return table<string, integer>
function M.counters(self)
  local counts = {}
  for reason, number in next, self.state.counts or {} do counts[reason] = number end
  if self.socket then counts.lost, counts.unicast = self.socket:drops() end
  return counts
end

return M
