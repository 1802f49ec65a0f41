-- SPDX-License-Identifier: MIT
--- Connections of strangers that have not yet shown what they are.
--- Invariant: there are at most `most`; one that comes takes the place of the one that has waited longest, and so it does
--- where descriptors have run out.
local M = {}
M.__index = M

---@class peerage.erlang.Guest
---@field stream engine.tcp.Stream
---@field evicted string|nil why it had to go

---@param most integer
---@return peerage.erlang.Guests
function M.new(most) return setmetatable({ most = most, list = {} }, M) end

--- Adds one. The stream of one that has to go is closed.
---@param guest peerage.erlang.Guest
function M:add(guest)
  self.list[#self.list + 1] = guest
  if #self.list > self.most then self:evict(("more than %d at once"):format(self.most)) end
end

--- Ends the one that has waited longest.
---@param why string
---@return boolean ok false: there is none
function M:evict(why)
  local oldest = table.remove(self.list, 1)
  if not oldest then return false end
  oldest.evicted = why
  oldest.stream:close()
  return true
end

--- Accepts a connection; if there is no descriptor for it, one of these has to go.
---@param listener engine.tcp.Listener
---@return engine.tcp.Stream|nil stream nil once the listener is closed
function M:accept(listener)
  return (listener:accept(function() return self:evict("no descriptor was free") end))
end

---@param guest peerage.erlang.Guest
function M:remove(guest)
  for i, each in ipairs(self.list) do
    if each == guest then return table.remove(self.list, i) end
  end
end

---@return integer
function M:count() return #self.list end

return M
