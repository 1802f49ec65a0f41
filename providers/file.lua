-- SPDX-License-Identifier: MIT
--- Finds the nodes that a file lists, or several files by a pattern, and sees at once when they change.
--- Invariant: a file that cannot be read whole is no answer, so the last good list stays.
local formats = require("peerage.formats")
local fs = require("engine.fs")
local scopes = require("engine.scope")
local task = require("engine.task")
local watcher = require("peerage.watcher")

local M = {}

local SETTLE = 0.1 -- seconds after a change: whoever writes in place empties the file first
local MOST_FILES = 1000 -- that a pattern may match

M.options = formats.options("lines")
M.options.path = { type = "path", required = true, doc = "a file; * and ? in its name match several" }
M.options.missing = {
  type = "string", default = "error", values = { "error", "empty" }, doc = '"empty": no file, or an empty one, lists nobody',
}

local function folder_of(path)
  local folder = path:match("^(.*)/[^/]*$")
  return folder == "" and "/" or folder or "."
end

-- The Lua pattern for the last name of a path, if it stands for several; hidden files are named in full, as in a shell.
local function pattern_of(path)
  local name = path:match("[^/]*$")
  if not name:find("[*?]") then return nil end
  local pattern = name:gsub("[^%w*?]", "%%%0"):gsub("[*?]", { ["*"] = ".*", ["?"] = "." })
  return "^" .. pattern .. "$", name:sub(1, 1) == "."
end

-- The files that the option names, sorted; none are an empty list.
local function list_files(path)
  local pattern, takes_hidden = pattern_of(path)
  if not pattern then return { path } end
  local names, message, code = fs.list(folder_of(path))
  if not names then
    if code == "ENOENT" then return {} end
    return nil, message
  end
  local files, folder = {}, path:match("^(.*/)[^/]*$") or ""
  for _, name in ipairs(names) do
    if name:find(pattern) and (takes_hidden or name:sub(1, 1) ~= ".") then files[#files + 1] = folder .. name end
  end
  if #files > MOST_FILES then
    return nil, ("%s: expected at most %d files, found %d"):format(path, MOST_FILES, #files)
  end
  return files
end

local function read_file(self, path)
  local text, message, code = fs.read(path)
  local is_empty = text and not text:find("%S")
  if self.options.missing == "empty" and (is_empty or code == "ENOENT") then return {} end
  if not text then return nil, message end
  if is_empty then return nil, path .. ": it is empty: expected nodes, or a comment where there are none" end
  local nodes, wrong = formats.read(self.options.format, text, self.options)
  return nodes, wrong and path .. ": " .. wrong
end

--- Whether the options go together.
function M.check(options)
  if options.path:match("^(.*)/[^/]*$") and folder_of(options.path):find("[*?]") then
    return nil, "path: expected * and ? in the last name only, found " .. options.path
  end
  return formats.check(options.format, options)
end

---@param self peerage.ProviderSelf
---@return peerage.Node[]|nil nodes, string? message
function M.poll(self)
  local files, message = list_files(self.options.path)
  if not files then return nil, message end
  if #files == 0 and self.options.missing == "error" then
    return nil, self.options.path .. ": no file has such a name"
  end
  local all, part = {}, nil
  for _, path in ipairs(files) do
    local nodes, wrong = read_file(self, path)
    if not nodes then return nil, wrong end
    part = part or wrong
    for _, node in ipairs(nodes) do all[#all + 1] = node end
  end
  return all, part
end

local function watched_paths(path)
  local paths = list_files(path) or {}
  if pattern_of(path) then paths[#paths + 1] = folder_of(path) .. "/*" end
  return paths
end

--- Asks for a poll when something changes where the files are, whatever links lead there.
---@param self peerage.ProviderSelf
function M.serve(self)
  if self.passive then return false end
  local changed = task.queue(1)
  local watch = watcher.new(assert(scopes.new()), function() changed:push(true) end)
  while true do
    watch:set(watched_paths(self.options.path))
    self:poll_soon()
    changed:pop()
    task.sleep(SETTLE)
  end
end

return M
