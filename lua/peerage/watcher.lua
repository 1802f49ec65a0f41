-- SPDX-License-Identifier: MIT
--- Watches files by their paths: the folder of every step, symbolic links included, so that a rename, a swapped link
--- (`..data`, `current`) or a folder made anew is seen; and the files themselves, which may be written by another name or
--- mount, of which their folder hears nothing. What it says is only "look again"; then set() finds what others have taken
--- the place of.
local fs = require("engine.fs")
local log = require("engine.log")

local M = {}
M.__index = M

local BLIND = { ENOSPC = true, EMFILE = true, EACCES = true } -- the file may be read, but its folder not be watched
local MOST_LINKS = 40 -- as the kernel follows at most
local MOST_FILES = 64 -- of more only the folders are watched: a watch, a task and a look each, at every change

---@param scope engine.Scope who owns the watches
---@param on_event fun() called in an engine task; does not wait
---@return peerage.Watcher
function M.new(scope, on_event) return setmetatable({ scope = scope, on_event = on_event, watched = {} }, M) end

local function absolute(path) return path:sub(1, 1) == "/" and path or (fs.realpath(".") or "") .. "/" .. path end

-- Calls `add(folder, name)` for each step of a path; a link's target is walked as well. Returns where the path leads.
local function walk(path, add, links)
  local folder, rest = "", path
  while true do
    local name, after = rest:match("^/+([^/]+)(.*)$")
    if not name then return folder == "" and "/" or folder end
    if name == ".." then
      folder = folder:match("^(.*)/[^/]*$") or ""
    elseif name ~= "." then
      add(folder == "" and "/" or folder, name)
      local target = fs.readlink(folder .. "/" .. name)
      if target and links < MOST_LINKS then
        local start = target:sub(1, 1) == "/" and "" or folder .. "/"
        return walk(start .. target .. after, add, links + 1)
      end
      folder = folder .. "/" .. name
    end
    rest = after
  end
end

-- What stands at a path: when a folder above it is renamed, the kernel's watch goes along and says nothing. An inode's
-- number comes back at once, with another time of birth.
local function identify(path)
  local stat = fs.stat(path)
  if not stat then return "none" end
  return ("%d %d %.9f"):format(stat.device, stat.inode, stat.birthtime or 0), stat.type
end

local function is_wanted(wanted, name)
  return not name or wanted.is_file or wanted.names[name] or wanted.matches ~= nil and wanted.matches(name)
end

-- A file that was replaced has been followed already.
local function note_file(path, watched)
  local identity = identify(path)
  watched.wanted.identity = identity
end

local function listen(self, path, watched)
  for change in watched.watch:each() do
    if watched.wanted.is_file then note_file(path, watched) end
    if is_wanted(watched.wanted, change.name) then self.on_event() end
  end
  watched.watch:close()
  if self.watched[path] ~= watched then return end -- it is not wanted any more
  self.watched[path] = nil
  self.on_event()
end

local function open(self, path, wanted)
  local watch, message, code = self.scope:run(fs.watch, path)
  if BLIND[code] and not wanted.is_file then log.warn("changes are noticed late, at a poll: " .. message) end
  if not watch then return end -- a folder that is not there: the one above it is watched; a file: its folder is
  local watched = { watch = watch, wanted = wanted }
  self.watched[path] = watched
  self.scope:spawn(listen, self, path, watched)
end

-- By path: which folder it is, the names in it, and what else matches; or which file.
local function wanted_by_path(paths, group)
  local wanted = {}
  local function of(folder)
    wanted[folder] = wanted[folder] or { names = {}, identity = identify(folder) }
    return wanted[folder]
  end
  local function add(folder, name) of(folder).names[name] = true end
  for _, path in ipairs(paths) do
    local file = walk(absolute(path), add, 0)
    local identity, kind = "none", nil
    if #paths <= MOST_FILES then identity, kind = identify(file) end
    if kind == "file" then wanted[file] = { names = {}, identity = identity, is_file = true } end
  end
  if group then of(walk(absolute(group.folder), add, 0)).matches = group.matches end
  return wanted
end

--- Watches these files, and no others any more. Waits.
---@param paths string[]
---@param group? { folder: string, matches: fun(name: string): boolean } and those of this folder, also ones that come later
function M:set(paths, group)
  local wanted, is_late = wanted_by_path(paths, group), false
  for path, watched in next, self.watched do
    if not (wanted[path] and wanted[path].identity == watched.wanted.identity) then
      is_late = is_late or wanted[path] ~= nil
      self.watched[path] = nil
      watched.watch:close()
    end
  end
  for path, its in next, wanted do
    if self.watched[path] then
      self.watched[path].wanted = its
    else
      open(self, path, its)
    end
  end
  if is_late then self.on_event() end -- for what changed in the new one before its watch stood
end

return M
