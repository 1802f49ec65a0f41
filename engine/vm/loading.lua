-- SPDX-License-Identifier: MIT
--- Loads of modules, and the marks that they are being loaded. Invariant: none is left by a load that was interrupted,
--- raised or ended with its task. It holds because code below engine/ is never interrupted, and clearing a mark takes no memory.
local loaded, require = package.loaded, require

local M = {}

local SENTINEL -- what require puts into package.loaded meanwhile
local PROBE = "engine.vm.loading.probe"

package.preload[PROBE] = function() SENTINEL = loaded[PROBE] end
require(PROBE)
package.preload[PROBE], loaded[PROBE] = nil, nil

local function leave_required(ok, ...)
  if ok then return ... end
  for name, value in next, loaded do
    if value == SENTINEL then loaded[name] = nil end -- also of those that the module requires
  end
  error((...), 0)
end

--- As require; one that has failed can be tried again.
---@param name string
---@return any module
function M.require(name) return leave_required(pcall(require, name)) end

--- New marks.
---@return table<string, table>
function M.marks() return setmetatable({}, { __mode = "v" }) end

--- Whether a module is being loaded. A task that was ended keeps its mark until it is collected.
---@param marks table<string, table>
---@param name string
---@return boolean
function M.is_marked(marks, name)
  if marks[name] then
    collectgarbage() -- frees the task
    collectgarbage() -- and its stack, which has the mark
  end
  return marks[name] ~= nil
end

local function leave(marks, name, mark, ok, ...)
  if marks[name] == mark then marks[name] = nil end
  if ok then return ... end
  error((...), 0)
end

--- Calls `load(name)`, which may wait, with a mark for `name`. Its error is raised again.
---@param marks table<string, table>
---@param name string
---@param load fun(name: string): any
---@return any module
function M.run(marks, name, load)
  local mark = {} -- lives on this task's stack only
  marks[name] = mark
  return leave(marks, name, mark, pcall(load, name))
end

return M
