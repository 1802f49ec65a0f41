-- SPDX-License-Identifier: MIT
--- Watchers of one folder or file, for engine.fs. When the path leads elsewhere they go on there; a change of unknown
--- name is told after that, so that nothing is lost in between.
local core = require("engine.fs.watch")

local M = {}

local wait, start = core.methods.wait, core.methods.start
core.methods.wait, core.methods.start = nil, nil

local MAX_NAMES = 64 -- not told yet; more are one change of unknown name
local LIMITS = { ENOSPC = "fs.inotify.max_user_watches", EMFILE = "fs.inotify.max_user_instances" }

---@class engine.fs.watcher
local Watcher = {}
local class = { __index = Watcher, __name = "watcher" } -- apart: nobody gets at it by an object

-- Changes of one name are one. The unknown one takes no memory: it is told when there is none.
local function add(changes, name)
  for i = 1, #changes do
    if changes[i] == name then return end
  end
  if name and #changes < MAX_NAMES then
    changes[#changes + 1] = name
    return
  end
  for i = #changes, 1, -1 do changes[i] = nil end
  changes.is_unknown = true
end

-- The next name, or true for the unknown one.
local function take(changes)
  if not changes.is_unknown then return table.remove(changes, 1) end
  changes.is_unknown = false
  return true
end

---@param path string
---@return engine.fs.watcher? watcher, string? reason, string? code
function M.new(path)
  local changes = { is_unknown = false } -- held by the core: it must not hold the watcher by them
  local handle, reason, code = core.new(function(name) add(changes, name) end)
  if not handle then return nil, reason, code end
  path = path:match("^(.-)/*$")
  if path == "" then path = "/" end
  local self = setmetatable({ handle = handle, changes = changes, path = path, name = path:match("[^/]*$") }, class)
  local is_started
  is_started, reason, code = start(handle, path)
  if is_started then return self end
  handle:close()
  if LIMITS[code] then reason = ("the system's limit is reached: raise %s (sysctl)"):format(LIMITS[code]) end
  return nil, reason, code
end

-- The path may lead to another file now, or nowhere.
local function watch_anew(self)
  local is_started, _, code = start(self.handle, self.path)
  if is_started or code == "ECANCELED" then return end
  self.is_gone = true
  self.handle:close()
end

-- Another task may take what this one was woken for.
local function await(self)
  local changes, name = self.changes, nil
  while not name do
    local _, message, code = wait(self.handle, changes.is_unknown or changes[1])
    if code then return nil, message, code end
    name = take(changes)
  end
  return name
end

--- Waits for the next change.
---@return engine.fs.change? change, string? message, string? code
function Watcher:next()
  if self.is_gone then return nil, "gone", "ENOENT" end
  local name, message, code = await(self)
  if not name then return nil, message, code end
  if name ~= true and name ~= self.name then return { name = name } end
  watch_anew(self)
  return {}
end

--- For the generic `for`.
---@return fun(watcher: engine.fs.watcher): engine.fs.change? next, engine.fs.watcher watcher
function Watcher:each() return Watcher.next, self end

--- Ends it. May be called again.
function Watcher:close() self.handle:close() end

class.__call = Watcher.next

function class:__tostring() return tostring(self.handle) end

return M
