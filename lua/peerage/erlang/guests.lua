-- SPDX-License-Identifier: MIT
--- Connections of strangers that have not yet shown what they are.
--- Invariant: there are at most `most`; one that comes takes the place of the one that has waited longest.
local M = {}
M.__index = M

---@class peerage.erlang.Guest
---@field stream engine.tcp.Stream
---@field is_evicted boolean|nil

---@param most integer
---@return peerage.erlang.Guests
function M.new(most) return setmetatable({ most = most, list = {} }, M) end

--- Adds one. The stream of one that has to go is closed.
---@param guest peerage.erlang.Guest
function M:add(guest)
  self.list[#self.list + 1] = guest
  if #self.list <= self.most then return end
  local oldest = table.remove(self.list, 1)
  oldest.is_evicted = true
  oldest.stream:close()
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
