-- SPDX-License-Identifier: MIT
--- Watches files by their paths: the folder of every step, symbolic links included, so that a rename, a swapped link
--- (`..data`, `current`) or a folder made anew is seen. What it says is only "look again"; then set() finds the folders
--- that others have taken the place of.
local fs = require("engine.fs")
local log = require("engine.log")

local M = {}
M.__index = M

local BLIND = { ENOSPC = true, EMFILE = true, EACCES = true } -- the file may be read, but its folder not be watched
local MOST_LINKS = 40 -- as the kernel follows at most

---@param scope engine.Scope who owns the watches
---@param on_event fun() called in an engine task; does not wait
---@return peerage.Watcher
function M.new(scope, on_event) return setmetatable({ scope = scope, on_event = on_event, folders = {} }, M) end

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

local function is_wanted(wanted, name)
  return not name or wanted.names[name] or wanted.matches ~= nil and wanted.matches(name)
end

local function listen(self, folder, watched)
  for change in watched.watch:each() do
    if is_wanted(watched.wanted, change.name) then self.on_event() end
  end
  watched.watch:close()
  if self.folders[folder] ~= watched then return end -- it is not wanted any more
  self.folders[folder] = nil
  self.on_event()
end

local function open(self, folder, wanted)
  local watch, message, code = self.scope:run(fs.watch, folder)
  if BLIND[code] then log.warn("changes are noticed at polls and at SIGHUP only: " .. message) end
  if not watch then return end -- a folder that is not there: the one above it is watched
  local watched = { watch = watch, wanted = wanted }
  self.folders[folder] = watched
  self.scope:spawn(listen, self, folder, watched)
end

-- Which folder it is: when one above it is renamed, the kernel's watch goes along and says nothing.
local function identify(folder)
  local stat = fs.stat(folder)
  return stat and ("%d %d"):format(stat.device, stat.inode) or "none"
end

-- By folder: which one it is, the names in it, and what else matches.
local function wanted_by_folder(paths, group)
  local wanted = {}
  local function of(folder)
    wanted[folder] = wanted[folder] or { names = {}, identity = identify(folder) }
    return wanted[folder]
  end
  local function add(folder, name) of(folder).names[name] = true end
  for _, path in ipairs(paths) do walk(absolute(path), add, 0) end
  if group then of(walk(absolute(group.folder), add, 0)).matches = group.matches end
  return wanted
end

--- Watches these files, and no others any more. Waits.
---@param paths string[]
---@param group? { folder: string, matches: fun(name: string): boolean } and those of this folder, also ones that come later
function M:set(paths, group)
  local wanted, is_late = wanted_by_folder(paths, group), false
  for folder, watched in next, self.folders do
    if not (wanted[folder] and wanted[folder].identity == watched.wanted.identity) then
      is_late = is_late or wanted[folder] ~= nil
      self.folders[folder] = nil
      watched.watch:close()
    end
  end
  for folder, names in next, wanted do
    if self.folders[folder] then
      self.folders[folder].wanted = names
    else
      open(self, folder, names)
    end
  end
  if is_late then self.on_event() end -- for what changed in the new folder before its watch stood
end

return M
