-- SPDX-License-Identifier: MIT
--- The elements of a document: those that are nodes, and of those that are none the first and how many.
--- Invariant: where one was not understood there is a message, so that who is in it is not taken for gone.
local M = {}
M.__index = M

---@return peerage.Elements
function M.new() return setmetatable({ nodes = {}, bad = 0, first = nil }, M) end

--- Takes in an element that was understood.
---@param node peerage.Node
function M:add(node) self.nodes[#self.nodes + 1] = node end

--- Counts one that was not.
---@param place string where it is: "group 1: "
---@param message string
function M:refuse(place, message)
  self.bad = self.bad + 1
  self.first = self.first or place .. message
end

--- What came of it.
---@return peerage.Node[]|nil nodes nil: there were some, and none was understood
---@return string? message with nodes: they are a part
function M:result()
  if self.bad == 0 then return self.nodes end
  local count = self.bad + #self.nodes
  if count == 1 then return nil, self.first end
  return #self.nodes > 0 and self.nodes or nil, ("%d of %d elements cannot be read: %s"):format(self.bad, count, self.first)
end

return M
