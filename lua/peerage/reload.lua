-- SPDX-License-Identifier: MIT
--- Notices that a loaded file has another content: by watches, by a look at each poll, by SIGHUP.
--- Invariant: a content is reported once; what counts is the content, not the time of the file.
local Watcher = require("peerage.watcher")
local fs = require("engine.fs")
local log = require("engine.log")
local supervisor = require("peerage.supervisor")
local task = require("engine.task")

local M = {}
M.__index = M

local DELAY = 0.2 -- seconds after the first event: an editor's save is several
local GONE = { ENOENT = true, ENOTDIR = true }

---@param scope engine.Scope
---@param is_watching boolean false: it looks only when it is told to
---@param files fun(): table<string, string|false> path to loaded text, of all that is in use; false: one that may come
---@param on_change fun(changed: table<string, boolean>) runs in an engine task; may wait
---@param on_reload? fun(is_over: boolean) around each `on_change`, and each look that was asked for
---@return peerage.Reload
function M.start(scope, is_watching, files, on_change, on_reload)
  local self = setmetatable({
    scope = scope, is_watching = is_watching, files = files, on_change = on_change,
    on_reload = on_reload or function() end,
    seen = files(), -- the last content of each file, in use or refused
    signatures = {}, -- of the last check
    missing = {}, -- path to what was said of it
    forgotten = {}, -- a set of paths to report, changed or not
    wake = task.queue(1),
  }, M)
  self.watcher = Watcher.new(scope, function() self.wake:push("event") end)
  supervisor.keep(scope, "looking for changed files", self.run, self)
  return self
end

local function paths_of(self)
  local paths = {}
  for path in next, self.seen do paths[#paths + 1] = path end
  table.sort(paths)
  return paths
end

local function signature(path)
  local stat = fs.stat(path)
  return stat and ("%d %.9f %d"):format(stat.inode, stat.mtime, stat.size) or "none"
end

local function say_missing(self, path, message, code)
  local what = GONE[code] and "is gone" or "cannot be read now"
  if self.missing[path] == what then return end
  self.missing[path] = what
  log.warn(("a loaded file %s, its last version keeps running: %s"):format(what, message))
end

--- Reads every file and reports those that changed.
function M:check()
  local changed, signatures, forgotten = {}, {}, self.forgotten
  self.forgotten = {} -- for the next look
  for _, path in ipairs(paths_of(self)) do
    signatures[path] = signature(path)
    local text, message, code = fs.read(path)
    if text and (text ~= self.seen[path] or forgotten[path]) then self.seen[path], changed[path] = text, true end
    if not text and self.seen[path] then say_missing(self, path, message, code) end
    if text then self.missing[path] = nil end
  end
  self.signatures = signatures -- a new table: a glance may be reading the old one
  self:report(changed)
  self:refresh()
end

--- Reports what changed, and that it does, also where a look that was asked for finds nothing.
---@param changed table<string, boolean>
function M:report(changed)
  local is_asked, is_changed = self.is_asked, next(changed) ~= nil
  self.is_asked = false
  if not (is_asked or is_changed) then return end
  self.on_reload(false)
  if is_changed then self.on_change(changed) end
  self.on_reload(true)
end

--- Takes in which files are in use now.
function M:refresh()
  local seen = {}
  for path, text in next, self.files() do
    seen[path] = self.seen[path] or text
    if self.seen[path] == nil then self.wake:push("event") end -- it may have changed before its watch stands
  end
  self.seen = seen
  self.watcher:set(self.is_watching and paths_of(self) or {})
end

local function glance(self)
  self.is_glancing = true
  for path, known in next, self.signatures do
    if signature(path) ~= known then
      self.wake:push("event")
      break
    end
  end
  self.is_glancing = false
end

--- A cheap look, for each poll: a folder that was deleted and made again is silent. Does not wait, for a file system
--- that is away may hold it up.
function M:glance()
  if self.is_watching and not self.is_glancing then self.scope:spawn(glance, self) end
end

--- Watches from now on, or looks only when it is told to.
---@param is_watching boolean
function M:watch(is_watching)
  if is_watching and not self.is_watching then self.wake:push("event") end -- for what changed before the watches stand
  self.is_watching = is_watching
end

--- The next look reports this file again, changed or not.
---@param path string one that is in use
function M:forget(path) self.forgotten[path] = true end

--- Looks at once.
function M:now()
  self.is_asked = true
  self.wake:push("now")
end

function M:run()
  self:refresh()
  if self.is_watching then self:check() end -- what changed before the watches stood
  while true do
    if self.wake:pop() == "event" then task.sleep(DELAY) end
    if self.wake:count() > 0 then self.wake:pop() end
    self:check()
  end
end

return M
