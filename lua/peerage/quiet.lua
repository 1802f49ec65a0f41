-- SPDX-License-Identifier: MIT
--- Reads files that are written in place. Invariant: what is read is what stood in the file from before it was read until it
--- had been left alone for a while, so never the first half of a list.
local fs = require("engine.fs")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

local PATIENCE = 2 -- seconds that a writer has to end, for all files together

---@class peerage.QuietFile
---@field path string
---@field text string|nil
---@field message string|nil why there is no text
---@field code string|nil as engine.fs has it

local function is_same(one, other)
  return one and other and one.mtime == other.mtime and one.size == other.size and one.inode == other.inode
end

local function read(path)
  local file = { path = path, stat = fs.stat(path) or false }
  file.text, file.message, file.code = fs.read(path)
  return file
end

-- Seconds for which nobody may write from now on. The wall clock is one of whole seconds, and may be another host's.
local function rest_of(file, rest)
  if not file.text then return 0 end
  local age, wanted = os.time() - (file.stat and file.stat.mtime or 0), rest(file.text)
  return age >= wanted and 0 or wanted
end

-- Reads those files again which changed since they were read.
local function again(files, pending, rest)
  local longest, changed = 0, {}
  for _, i in ipairs(pending) do
    files[i] = read(files[i].path)
    longest = math.max(longest, rest_of(files[i], rest))
  end
  if longest > 0 then task.sleep(longest) end
  for _, i in ipairs(pending) do
    if files[i].text and not is_same(files[i].stat, fs.stat(files[i].path)) then changed[#changed + 1] = i end
  end
  return changed
end

--- Reads files as soon as nobody writes them any more. Waits for that, 2 seconds about.
---@param paths string[]
---@param rest fun(text: string): number seconds that a file of this text must have been left alone
---@return peerage.QuietFile[] files in the order of the paths
function M.read(paths, rest)
  local files, pending, deadline = {}, {}, timer.now() + PATIENCE
  for i, path in ipairs(paths) do files[i], pending[i] = { path = path }, i end
  repeat pending = again(files, pending, rest) until #pending == 0 or timer.now() >= deadline
  for _, i in ipairs(pending) do files[i] = { path = files[i].path, message = files[i].path .. ": it is being written" } end
  return files
end

return M
