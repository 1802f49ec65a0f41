-- SPDX-License-Identifier: MIT
--- Finds the nodes that a file lists, or several files by a pattern, and sees at once when they change.
--- Invariant: a file that cannot be read whole is no answer, so the last good list stays.
local formats = require("peerage.formats")
local fs = require("engine.fs")
local glob = require("peerage.glob")
local quiet = require("peerage.quiet")
local scopes = require("engine.scope")
local task = require("engine.task")
local watcher = require("peerage.watcher")

local M = {}

local SETTLE = 0.1 -- seconds after a change: whoever replaces a file may remove it first
local QUIET = 0.1 -- seconds that nobody wrote: then it is written; half a JSON text is none
local QUIET_BY_LINES = 0.5 -- seconds, as half the lines are a list, too
local MOST_FILES = 1000 -- that a pattern may match

M.options = formats.options("lines")
M.options.path = { type = "path", required = true, doc = "a file; * and ? in its name match several" }
M.options.missing = {
  type = "string", default = "error", values = { "error", "empty" }, doc = '"empty": where no file is, there is nobody',
}

local function folder_of(path)
  local folder = path:match("^(.*)/[^/]*$")
  return folder == "" and "/" or folder or "."
end

local function matcher_of(path) return glob(path:match("[^/]*$")) end

-- The files that the option names, sorted; none are an empty list.
local function list_files(path)
  local matches = matcher_of(path)
  if not matches then return { path } end
  local names, message, code = fs.list(folder_of(path))
  if not names then
    if code == "ENOENT" then return {} end
    return nil, message
  end
  local files, folder = {}, path:match("^(.*/)[^/]*$") or ""
  for _, name in ipairs(names) do
    if matches(name) then files[#files + 1] = folder .. name end
  end
  if #files > MOST_FILES then
    return nil, ("%s: expected at most %d files, found %d"):format(path, MOST_FILES, #files)
  end
  return files
end

-- With those that were there before: who writes a file anew may have removed it, for a moment.
local function with_missed(names, seen)
  local is_listed, all = {}, {}
  for i, name in ipairs(names) do is_listed[name], all[i] = true, name end
  for name in next, seen do
    if not is_listed[name] then all[#all + 1] = name end
  end
  table.sort(all)
  return all
end

local function nodes_of(self, file)
  if file.code == "ENOENT" and self.options.missing == "empty" then return {} end
  if not file.text then return nil, file.message end
  local nodes, wrong = formats.read(self.options.format, file.text, self.options)
  return nodes, wrong and file.path .. ": " .. wrong
end

-- What a pattern matches and is no file: a folder, and one that has gone. A link that leads nowhere is a bad one.
local function is_no_file(file)
  if file.code == "ENOENT" and fs.stat(file.path, { lstat = true }) then file.code = nil end
  return file.code == "EISDIR" or file.code == "ENOENT"
end

-- What all files say; what one of them does not say makes the list a part.
local function join(self, files)
  local all, good, bad, wrong = {}, 0, 0, nil
  for _, file in ipairs(files) do
    local nodes, message = nodes_of(self, file)
    file.text = nil
    for _, node in ipairs(nodes or {}) do all[#all + 1] = node end
    if nodes then good = good + 1 end
    if message then bad, wrong = bad + 1, wrong or message end
  end
  if bad > 1 then wrong = ("%s (and %d more files)"):format(wrong, bad - 1) end
  if good == 0 and wrong then return nil, wrong end
  return all, wrong
end

--- Whether the options go together.
function M.check(options)
  if options.path:match("^(.*)/[^/]*$") and folder_of(options.path):find("[*?]") then
    return nil, "path: expected * and ? in the last name only, found " .. options.path
  end
  -- Whoever writes targets by hand may give them whole names; what is none is said when the file is read.
  if options.format == "prometheus" and not options.app_name and not options.select then return true end
  return formats.check(options.format, options)
end

---@param self peerage.ProviderSelf
---@return peerage.Node[]|nil nodes, string? message
function M.poll(self)
  local path = self.options.path
  self.seen = self.seen or {}
  local names, message = list_files(path)
  if names and #names == 0 then
    task.sleep(SETTLE)
    names, message = list_files(path)
  end
  if not names then return nil, message end
  local files, is_pattern = {}, matcher_of(path) ~= nil
  if is_pattern then names = with_missed(names, self.seen) end
  local rest = formats.is_by_lines(self.options.format) and QUIET_BY_LINES or QUIET
  for _, file in ipairs(quiet.read(names, rest, self.seen)) do
    if not (is_pattern and is_no_file(file)) then files[#files + 1] = file end
  end
  if #files == 0 and self.options.missing == "error" then return nil, path .. ": no file has such a name" end
  return join(self, files)
end

--- Asks for a poll when something changes where the files are, whatever links lead there.
---@param self peerage.ProviderSelf
function M.serve(self)
  if self.passive then return false end
  local path, changed = self.options.path, task.queue(1)
  local matches = matcher_of(path)
  local group = matches and { folder = folder_of(path), matches = matches }
  local watch = watcher.new(assert(scopes.new()), function() changed:push(true) end)
  self.seen = self.seen or {}
  while true do
    local names = list_files(path) or {}
    watch:set(names, group)
    quiet.look(names, self.seen) -- a poll under way may not know them yet; the next one need not wait so long then
    self:poll_soon()
    changed:pop()
    task.sleep(SETTLE)
    if changed:count() > 0 then changed:pop() end -- a change is told by its folder and by the file
  end
end

return M
