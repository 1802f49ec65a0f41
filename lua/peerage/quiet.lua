-- SPDX-License-Identifier: MIT
--- Reads files that are written in place. Invariant: what is read is what stood in the file while nobody wrote it for as
--- long as the caller says. Who pauses for longer in the middle of a list gives half of it; who replaces the file whole,
--- by rename, never does.
local fs = require("engine.fs")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

local PATIENCE = 2 -- seconds that a writer has to end, for all files together
local STEP = 0.05 -- seconds between two looks
local GAP = 0.1 -- seconds that a file must be missing: who writes it anew may remove it first
local LONG_AGO = 10 -- seconds since which nobody wrote, even if the file server's clock is somewhat behind ours
local MOST_TRIES = 3 -- to read a file that is replaced again and again

---@class peerage.QuietFile
---@field path string
---@field text string|nil
---@field message string|nil why there is no text
---@field code string|nil as engine.fs has it

---@alias peerage.QuietFiles table<string, { stat: engine.fs.stat|false, since: number }> what stands there, since when
---  that was seen, by our own clock

-- An inode's number comes back at once, with another time of birth.
local function is_same_file(one, other)
  return one.inode == other.inode and one.device == other.device and one.birthtime == other.birthtime
end

local function is_same(one, other)
  if not (one and other) then return one == other end
  return is_same_file(one, other) and one.mtime == other.mtime and one.size == other.size
end

-- `stat` in what is noted is another table when something else stands there than before.
local function note(seen, path)
  local stat = fs.stat(path) or false
  local known = seen[path]
  if not (known and is_same(known.stat, stat)) then seen[path] = { stat = stat, since = timer.now() } end
  return seen[path]
end

local function look(file, seen)
  local known, noted = file.stat, note(seen, file.path)
  file.stat, file.since = noted.stat, noted.since
  if known == nil or is_same(known, noted.stat) then return end
  file.is_changing = true
  if not (known and noted.stat) then return end
  local kind = is_same_file(known, noted.stat) and "is_written" or "is_replaced"
  file[kind] = true
end

local function is_at_rest(file, rest)
  local age = timer.now() - file.since
  if not file.stat then return age >= GAP end
  return age >= rest or file.stat.type ~= "file" or os.time() - file.stat.mtime >= LONG_AGO
end

-- Reads it. Returns whether it stayed as it was meanwhile.
local function read(file, seen)
  local known = file.stat
  file.text, file.message, file.code = fs.read(file.path)
  look(file, seen)
  return file.stat == known
end

local function is_read(file, rest, seen)
  look(file, seen)
  return is_at_rest(file, rest) and read(file, seen)
end

-- That a file is missing is looked at anew each time; of those that nobody asks for any more nothing is kept.
local function forget(seen, paths)
  local is_asked = {}
  for _, path in ipairs(paths) do is_asked[path] = true end
  for path, noted in next, seen do
    if not (is_asked[path] and noted.stat) then seen[path] = nil end
  end
end

local function reason_of(file, rest, limit)
  if file.is_changing then return "it is being written" end
  if not file.stat then return ("no such file now, and %s too short to see whether it comes back"):format(limit) end
  return ("it was written just now, and %s too short to see it left alone for %g s"):format(limit, rest)
end

-- A file onto which others were renamed was whole each time; of one that was written in its place nobody knows.
local function give_up(file, rest, seen, limit)
  for _ = 1, file.is_replaced and MOST_TRIES or 0 do
    if not file.is_written and read(file, seen) and file.text then return end
  end
  file.text, file.message, file.code = nil, file.path .. ": " .. reason_of(file, rest, limit), nil
end

--- Notes what stands there, so that from now on counts for the next reading. Waits.
---@param paths string[]
---@param seen peerage.QuietFiles
function M.look(paths, seen)
  for _, path in ipairs(paths) do note(seen, path) end
end

--- Reads files as soon as nobody writes them any more. Waits for that, 2 seconds about, or less where the caller's scope
--- has less left.
---@param paths string[]
---@param rest number seconds that a file must have been left alone
---@param seen peerage.QuietFiles empty at first, and the same each time
---@return peerage.QuietFile[] files in the order of the paths
function M.read(paths, rest, seen)
  local patience = scopes.timeout(PATIENCE)
  local limit = patience < PATIENCE and "the poll's timeout is" or ("%g s for all files are"):format(PATIENCE)
  local files, pending, deadline = {}, {}, timer.now() + patience
  forget(seen, paths)
  for i, path in ipairs(paths) do files[i] = { path = path } end
  for i, file in ipairs(files) do pending[i] = file end
  while true do
    local busy = {}
    for _, file in ipairs(pending) do
      if not is_read(file, rest, seen) then busy[#busy + 1] = file end
    end
    pending = busy
    local left = deadline - timer.now()
    if #pending == 0 or left <= 0 then break end
    task.sleep(math.min(STEP, left))
  end
  for _, file in ipairs(pending) do give_up(file, rest, seen, limit) end
  return files
end

return M
