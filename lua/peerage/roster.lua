-- SPDX-License-Identifier: MIT
--- Whom provider udp has heard, when, and what they said last. Pure: the time is always given.
--- Invariant: at most `max` nodes are present, of which at most `max_plain` are there by unsigned words alone, and at
--- most twice `max` are remembered. Nobody loses a place to another: only silence makes room.
local M = {}
M.__index = M

---@class peerage.RosterState plain data, which survives a reload
---@field peers table<string, peerage.Peer> by name
---@field known table<string, number> when the plain datagram of one that is present came last, in seconds: it is not
---  parsed again, and of a hundred thousand names no more than this is touched

---@class peerage.Peer
---@field is_present boolean heard within `expire`, and not gone
---@field is_signed boolean present because a signed announcement said so
---@field heard number seconds; of its plain datagram `known` may have heard later
---@field datagram string|nil the plain one that it is known by
---@field stamp number|nil of the signed one that was accepted last
---@field instance string|nil of the engine that sent it
---@field former string|nil the instance before that

---@class peerage.RosterOptions
---@field max integer nodes
---@field max_plain integer|nil of these, how many may be there unsigned; nil: all
---@field expire number seconds after which a silent one is not present
---@field remember number seconds for which the stamp of one that is not present is kept
---@field remember_least number seconds, when there are too many

-- The state may come from another version, so nothing that can be counted is taken from it.
local function recount(self)
  self.count, self.present, self.plain = 0, 0, 0
  local known = self.state.known
  for _, peer in next, self.state.peers do
    self.count = self.count + 1
    if peer.datagram and type(known[peer.datagram]) ~= "number" then known[peer.datagram] = peer.heard end
    if peer.is_present then
      self.present = self.present + 1
      if not peer.is_signed then self.plain = self.plain + 1 end
    end
  end
end

---@param state peerage.RosterState|table kept and changed in place; may be empty
---@param options peerage.RosterOptions
---@return peerage.Roster
function M.new(state, options)
  state.peers, state.known = state.peers or {}, state.known or {}
  local self = setmetatable({ state = state, options = options }, M)
  recount(self)
  return self
end

-- The peer of that name, made if there is room to remember it.
local function find(self, name)
  local peers = self.state.peers
  local peer = peers[name]
  if peer or self.count >= 2 * self.options.max then return peer end
  peer = { is_present = false, is_signed = false, heard = -math.huge }
  peers[name] = peer
  self.count = self.count + 1
  return peer
end

-- When it was heard last, by whichever words.
local function heard(self, peer)
  local known = peer.datagram and self.state.known[peer.datagram]
  return known and known > peer.heard and known or peer.heard
end

local function forget_datagram(self, peer)
  if not peer.datagram then return end
  peer.heard = heard(self, peer)
  self.state.known[peer.datagram], peer.datagram = nil, nil
end

local function leave(self, peer)
  if not peer.is_present then return end
  self.present = self.present - 1
  if not peer.is_signed then self.plain = self.plain - 1 end
  peer.is_present, peer.is_signed = false, false
  forget_datagram(self, peer)
end

local function has_room(self, is_signed)
  if self.present >= self.options.max then return false end
  return is_signed or self.plain < (self.options.max_plain or self.options.max)
end

-- Whether it was not present; nil if there is no room for it.
local function enter(self, peer, now, is_signed)
  local is_new = not peer.is_present
  if is_new then
    if not has_room(self, is_signed) then return nil end
    self.present, self.plain = self.present + 1, self.plain + 1
    peer.is_present = true
  end
  if is_signed and not peer.is_signed then
    self.plain = self.plain - 1
    peer.is_signed = true
  end
  peer.heard = now
  return is_new
end

--- A plain datagram that is not in `known`.
---@param name string
---@param datagram string
---@param now number seconds
---@return boolean|nil is_new nil: no room
function M:hear_plain(name, datagram, now)
  local peer = self.state.peers[name]
  if not (peer and peer.is_present) and not has_room(self, false) then return nil end
  peer = peer or find(self, name)
  if not peer then return nil end
  local is_new = enter(self, peer, now, false)
  if peer.datagram == nil then
    peer.datagram = datagram
    self.state.known[datagram] = now
  end
  return is_new
end

--- A signed announcement whose MAC and clock are right.
---@param said peerage.Announcement
---@param now number seconds
---@return "new"|"restarted"|"same"|"left"|"stale"|"full" what "restarted": a new engine, which has heard of nobody yet
---@return boolean|nil is_conflict two engines say that they are this node, in turns
function M:hear_signed(said, now)
  local peer = find(self, said.name)
  if not peer then return "full" end
  if peer.stamp and said.stamp <= peer.stamp then return "stale" end
  peer.stamp = said.stamp
  if said.type == "leave" then
    if peer.instance and peer.instance ~= said.instance then return "same" end -- an engine that was replaced
    local was_present = peer.is_present
    leave(self, peer)
    peer.heard = now
    return was_present and "left" or "same"
  end
  local is_conflict, is_same = peer.former == said.instance, peer.instance == said.instance
  if not is_same then peer.former, peer.instance = peer.instance, said.instance end
  local is_new = enter(self, peer, now, true)
  if is_new == nil then return "full" end
  return is_new and "new" or (is_same or is_conflict) and "same" or "restarted", is_conflict
end

--- Forgets at once whom plain datagrams alone have named.
function M:forget_plain()
  for _, peer in next, self.state.peers do
    if peer.is_signed then
      forget_datagram(self, peer)
    elseif peer.is_present then
      leave(self, peer)
    end
  end
end

--- Forgets whom nobody heard for long enough. Of one that is not present only a stamp is worth remembering.
---@param now number seconds
---@param patience number|nil how many times `expire` a silence may last; 1 unless given
function M:sweep(now, patience)
  local options, peers = self.options, self.state.peers
  local expire = options.expire * (patience or 1)
  local remember = self.count < 2 * options.max and options.remember or options.remember_least
  for name, peer in next, peers do
    local silence = now - heard(self, peer)
    if silence > expire then leave(self, peer) end
    if not peer.is_present and (not peer.stamp or silence > remember) then
      peers[name] = nil
      self.count = self.count - 1
    end
  end
end

--- The names of those present at the last sweep or since.
---@return string[]
function M:names()
  local names = {}
  for name, peer in next, self.state.peers do
    if peer.is_present then names[#names + 1] = name end
  end
  return names
end

return M
