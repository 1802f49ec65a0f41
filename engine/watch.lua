-- SPDX-License-Identifier: MIT
--- Watchers of one folder or file, for engine.fs. When the path leads elsewhere they go on there; a change of unknown
--- name is told after that, so that nothing is lost in between.
local core = require("engine.fs.core")

local M = {}

local next_name, start = core.watcher.next, core.watcher.start
core.watcher.next, core.watcher.start = nil, nil

local LIMITS = { ENOSPC = "fs.inotify.max_user_watches", EMFILE = "fs.inotify.max_user_instances" }

---@class engine.fs.watcher
local Watcher = {}
Watcher.__index = Watcher
Watcher.__name = "watcher"

---@param path string
---@return engine.fs.watcher? watcher, string? reason, string? code
function M.new(path)
  local handle, reason, code = core.watch()
  if not handle then return nil, reason, code end
  path = path:match("^(.-)/*$")
  if path == "" then path = "/" end
  local self = setmetatable({ handle = handle, path = path, name = path:match("[^/]*$") }, Watcher)
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

--- Waits for the next change.
---@return engine.fs.change? change, string? message, string? code
function Watcher:next()
  if self.is_gone then return nil, "gone", "ENOENT" end
  local name, message, code = next_name(self.handle)
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

Watcher.__call = Watcher.next

function Watcher:__tostring() return tostring(self.handle) end

return M
