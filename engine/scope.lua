-- SPDX-License-Identifier: MIT
--- Scopes: the Lua half.
local core = require("engine.scope.core")
local tasks = require("engine.task.core")
require("engine.task") -- gives tasks their wait()

local M = { new = core.new, handles = core.handles, timeout = core.timeout }

--- Runs `fn(...)` as a task of this scope and waits for it; what it opens and spawns lives as long as the scope.
---@return any ... its results, or nil, "closed", "ECANCELED"; its error is raised again
function core.methods:run(fn, ...)
  tasks.may_wait()
  local child, message, code = self:spawn(fn, ...)
  if not child then return nil, message, code end
  return child:wait()
end

return M
