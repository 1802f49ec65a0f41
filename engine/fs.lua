-- SPDX-License-Identifier: MIT
--- Files and folders: the Lua half, which checks what is asked for and says why it failed.
local core = require("engine.fs.core")
local watch = require("engine.watch")

local M = {}

local DEFAULT_MAX = 16 * 1024 * 1024 -- bytes
local MOST = 1024 * 1024 * 1024
local DEFAULT_MODE = tonumber("644", 8)
local MOST_MODE = tonumber("777", 8)
local FOR_OTHERS, FOR_GROUP_OR_OTHERS = tonumber("7", 8), tonumber("77", 8)

-- By the upper bits of a mode: inode(7).
local KINDS = {
  [1] = "fifo", [2] = "character device", [4] = "directory", [6] = "block device", [8] = "file", [10] = "link",
  [12] = "socket",
}
local PERMISSIONS = 4096 -- the lower bits

local function kind_of(mode) return KINDS[math.floor(mode / PERMISSIONS)] end

local function check_path(path)
  if type(path) ~= "string" then error(("bad path: string expected, found a %s"):format(type(path)), 3) end
  if path:find("%z") then error("bad path: it holds a zero byte", 3) end
end

local function check_options(options, kinds)
  if options == nil then return {} end
  if type(options) ~= "table" then error(("expected a table of options, found a %s"):format(type(options)), 3) end
  local checked = {}
  for name, value in next, options do
    local kind = kinds[name]
    if not kind then error(('unknown option "%s"'):format(tostring(name)), 3) end
    if kind ~= "any" and type(value) ~= kind then
      error(('option "%s": expected a %s, found a %s'):format(name, kind, type(value)), 3)
    end
    checked[name] = value
  end
  return checked
end

local function fail(verb, path, reason, code) return nil, ("cannot %s %s: %s"):format(verb, path, reason), code end

-- What was found in the place of a regular file says more than the code.
local function explain(reason, code, mode)
  if (code == "EISDIR" or code == "EINVAL") and mode ~= 0 and kind_of(mode) ~= "file" then
    return ("it is a %s, expected a regular file"):format(kind_of(mode))
  end
  return reason
end

--- What is at `path`; symbolic links are followed.
---@param path string
---@param options? { lstat?: boolean } `lstat`: the link itself
---@return engine.fs.stat? stat, string? message, string? code
function M.stat(path, options)
  check_path(path)
  local verb = check_options(options, { lstat = "boolean" }).lstat and core.lstat or core.stat
  local mode, size, mtime, birthtime, inode, device, uid, gid = verb(path)
  if not mode then return fail("stat", path, size, mtime) end
  return {
    type = kind_of(mode), mode = mode % PERMISSIONS, size = size, mtime = mtime,
    birthtime = birthtime ~= 0 and birthtime or nil, inode = inode, device = device, uid = uid, gid = gid,
  }
end

--- What kind of thing is at `path`; symbolic links are followed. Does not wait, so it may be asked where nothing may.
---@param path string
---@return string? type as in `stat`; nil: there is nothing, or it cannot be known
function M.type(path)
  check_path(path)
  local mode = core.mode(path)
  return mode ~= 0 and kind_of(mode) or nil
end

--- The absolute path without symbolic links.
---@param path string
---@return string? path, string? message, string? code
function M.realpath(path)
  check_path(path)
  local found, reason, code = core.realpath(path)
  if found then return found end
  return fail("resolve", path, reason, code)
end

--- Where a symbolic link leads, as it is written there.
---@param path string
---@return string? target, string? message, string? code EINVAL if it is no link
function M.readlink(path)
  check_path(path)
  local target, reason, code = core.readlink(path)
  if target then return target end
  return fail("read the link", path, code == "EINVAL" and "it is no symbolic link" or reason, code)
end

--- The names in a folder, sorted by byte value, without "." and "..".
---@param path string
---@return string[]? names, string? message, string? code
function M.list(path)
  check_path(path)
  local text, reason, code = core.list(path)
  if not text then return fail("list", path, reason, code) end
  local names = {}
  for name in text:gmatch("[^%z]+") do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  return names
end

local function forbidden_to(private)
  if private == nil or private == false then return 0 end
  if private == true then return FOR_OTHERS end
  if private == "owner" then return FOR_GROUP_OR_OTHERS end
  local found = type(private) == "string" and private or type(private)
  error(('option "private": expected true, false or "owner", found %s'):format(found), 3)
end

local function explain_mode(path, mode, is_owners)
  return ("its mode %04o lets %s in, expected to be private (in a Kubernetes volume: defaultMode: %s): chmod %s %s")
    :format(mode % PERMISSIONS, is_owners and "group or others" or "others", is_owners and "0400" or "0440",
      is_owners and "go-rwx" or "o-rwx", path)
end

--- The bytes of a regular file; symbolic links are followed, and what is checked is the opened file.
---@param path string
---@param options? engine.fs.read_options
---@return string? data, string? message, string? code
function M.read(path, options)
  check_path(path)
  options = check_options(options, { max = "number", private = "any" })
  local max, forbidden = options.max or DEFAULT_MAX, forbidden_to(options.private)
  if not (max >= 0 and max <= MOST) then
    error(('option "max": expected 0 to %d bytes, found %g'):format(MOST, max), 2)
  end
  local data, reason, code, mode = core.read(path, forbidden, max)
  if data then return data end
  if code == "EFBIG" then
    reason = ("it is larger than the limit of %d bytes"):format(max)
  elseif code == "EACCES" and mode ~= 0 then
    reason = explain_mode(path, mode, forbidden == FOR_GROUP_OR_OTHERS)
  end
  return fail("read", path, explain(reason, code, mode), code)
end

--- Puts a new file in the place of the old one, in one step.
---@param path string
---@param data string
---@param options? engine.fs.write_options
---@return true? done, string? message, string? code
function M.write(path, data, options)
  check_path(path)
  if type(data) ~= "string" then error(("bad data: string expected, found a %s"):format(type(data)), 2) end
  options = check_options(options, { mode = "number", exclusive = "boolean" })
  local wanted = options.mode or DEFAULT_MODE
  if not (wanted >= 0 and wanted <= MOST_MODE and wanted % 1 == 0) then
    error(('option "mode": expected permission bits as a number, at most 511 (octal 777), found %g'):format(wanted), 2)
  end
  local done, reason, code, mode = core[options.exclusive and "create" or "replace"](path, wanted, nil, data)
  if done then return true end
  if code == "ENOENT" and mode ~= 0 and kind_of(mode) == "link" then
    reason = "it is a symbolic link that leads nowhere"
  end
  return fail("write", path, explain(reason, code, mode), code)
end

--- Watches a folder (what changes directly in it) or a file. Does not wait.
---@param path string
---@return engine.fs.watcher? watcher, string? message, string? code
function M.watch(path)
  check_path(path)
  local watcher, reason, code = watch.new(path)
  if watcher or code == "ECANCELED" then return watcher, reason, code end
  return fail("watch", path, reason, code)
end

return M
