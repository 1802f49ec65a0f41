-- SPDX-License-Identifier: MIT
--- Whom provider udp has heard, when, and what they said last. Pure: the time is always given.
--- Invariant: at most `max` nodes are present, and at most twice as many remembered.
local M = {}
M.__index = M

---@class peerage.RosterState plain data, which survives a reload
---@field peers table<string, peerage.Peer> by name
---@field known table<string, peerage.Peer> by plain datagram, of those present: one that was seen is not parsed again
---@field count integer of peers
---@field present integer of those

---@class peerage.Peer
---@field is_present boolean heard within `expire`, and not gone
---@field heard number seconds
---@field datagram string|nil the plain one that it is known by
---@field stamp number|nil of the signed one that was accepted last
---@field instance string|nil of the engine that sent it
---@field former string|nil the instance before that

---@class peerage.RosterOptions
---@field max integer nodes
---@field expire number seconds after which a silent one is not present
---@field remember number seconds for which the stamp of one that is not present is kept
---@field remember_least number seconds, when there are too many

---@param state peerage.RosterState|table kept and changed in place; may be empty
---@param options peerage.RosterOptions
---@return peerage.Roster
function M.new(state, options)
  state.peers, state.known = state.peers or {}, state.known or {}
  state.count, state.present = state.count or 0, state.present or 0
  return setmetatable({ state = state, options = options }, M)
end

-- The peer of that name, made if there is room.
local function find(self, name)
  local state = self.state
  local peer = state.peers[name]
  if peer or state.count >= 2 * self.options.max then return peer end
  peer = { is_present = false, heard = -math.huge }
  state.peers[name] = peer
  state.count = state.count + 1
  return peer
end

local function leave(self, peer)
  if not peer.is_present then return end
  peer.is_present = false
  self.state.present = self.state.present - 1
  if peer.datagram then self.state.known[peer.datagram] = nil end
  peer.datagram = nil
end

-- Whether it was not present; nil if there is no room for it.
local function enter(self, peer, now)
  local is_new = not peer.is_present
  if is_new and self.state.present >= self.options.max then return nil end
  if is_new then self.state.present = self.state.present + 1 end
  peer.is_present, peer.heard = true, now
  return is_new
end

--- A plain datagram that is not in `known`.
---@param name string
---@param datagram string
---@param now number seconds
---@return boolean|nil is_new nil: no room
function M:hear_plain(name, datagram, now)
  local peer = self.state.present < self.options.max and find(self, name) or self.state.peers[name]
  local is_new = peer and enter(self, peer, now)
  if not peer or is_new == nil then return nil end
  if peer.datagram == nil then
    peer.datagram = datagram
    self.state.known[datagram] = peer
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
  local is_new = enter(self, peer, now)
  if is_new == nil then return "full" end
  return is_new and "new" or (is_same or is_conflict) and "same" or "restarted", is_conflict
end

--- Forgets at once whom a plain datagram has named.
function M:forget_plain()
  for _, peer in next, self.state.known do leave(self, peer) end
end

--- Forgets whom nobody heard for long enough.
---@param now number seconds
function M:sweep(now)
  local state, options = self.state, self.options
  local remember = state.count < 2 * options.max and options.remember or options.remember_least
  for name, peer in next, state.peers do
    local silence = now - peer.heard
    if silence > options.expire then leave(self, peer) end
    if not peer.is_present and silence > remember then
      state.peers[name] = nil
      state.count = state.count - 1
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
