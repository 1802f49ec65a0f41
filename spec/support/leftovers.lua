-- SPDX-License-Identifier: MIT
--- What a run must take away itself because it outlives the process: folders, network namespaces, machines. Invariant:
--- what is in the list is, or may be, there.
local M = {
  --- What must still run when everything else of an interrupted run has ended. It belongs to whoever required this first.
  scope = require("engine.scope").new(),
}

local list = {}

--- Notes one that has a method `remove`, before it is made: also a half-made one is to go.
---@generic T: { remove: fun(self: T) }
---@param leftover T
---@return T leftover
function M.note(leftover)
  list[#list + 1] = leftover
  return leftover
end

--- Forgets one that was removed.
function M.forget(leftover)
  for i = #list, 1, -1 do
    if list[i] == leftover then table.remove(list, i) end
  end
end

--- Removes all that are left, the last noted first; what cannot be removed is said.
function M.remove()
  while #list > 0 do
    local leftover = table.remove(list)
    local ok, message = pcall(leftover.remove, leftover)
    if not ok then io.stderr:write("left behind: ", tostring(message), "\n") end
  end
end

return M
