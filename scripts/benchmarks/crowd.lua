-- SPDX-License-Identifier: MIT
--- Processes that run side by side: what they print is read as it comes, and they are measured together.
--- Invariant: none of them outlives its crowd.
local process = require("engine.process")
local scopes = require("engine.scope")
local task = require("engine.task")

local M = {}
M.__index = M

local MOST_LINES = 10 -- of each, for the message when it fails

---@class bench.Member
---@field label string
---@field pid integer
---@field lines string[] the last that it printed

--- Runs `drive` with an empty crowd, and ends what is in it then, also when it raises.
---@param measure bench.Measure
---@param drive fun(crowd: bench.Crowd): any
---@return any driven what `drive` returned
function M.gather(measure, drive)
  local self = setmetatable({ measure = measure, scope = assert(scopes.new()), members = {}, said = task.queue() }, M)
  local ok, driven = pcall(drive, self)
  self.scope:close()
  if not ok then error(driven, 0) end
  return driven
end

local function read(self, member, child)
  for line in child:lines() do
    member.lines[#member.lines + 1] = line
    if #member.lines > MOST_LINES then table.remove(member.lines, 1) end
    self.said:push({ member = member, line = line })
  end
  self.said:push({ member = member })
end

--- Starts one; what it writes to stderr comes with its lines: the engine's log is there.
---@param label string
---@param command (string|number)[]
---@param env table<string, string|number|false>|nil
---@return bench.Member
function M:start(label, command, env)
  local child = assert(self.scope:run(process.start, {
    env = env, cwd = self.measure.folder.path, "sh", "-c", 'exec "$@" 2>&1', "sh", unpack(command),
  }))
  local member = { label = label, pid = child.pid, lines = {} }
  self.members[#self.members + 1] = member
  self.scope:spawn(read, self, member, child)
  return member
end

local function fail(message, member)
  error(("%s; the last that %s said:\n%s"):format(message, member.label, table.concat(member.lines, "\n")), 0)
end

-- Returns when none of `missing` is left.
local function take_lines(self, members, missing, judge)
  local is_watched = {}
  for _, member in ipairs(members) do is_watched[member], missing[member] = true, true end
  while next(missing) do
    local said = self.said:pop()
    if not said.line then fail(said.member.label .. " has ended", said.member) end
    if is_watched[said.member] then
      local is_ready = judge(said.member, said.line)
      if is_ready ~= nil then missing[said.member] = not is_ready or nil end
    end
  end
  return true
end

--- Waits until all of `members` are ready at the same time. Raises if one of the crowd ends, or it takes too long.
---@param members bench.Member[]
---@param judge fun(member: bench.Member, line: string): boolean|nil whether one that says this is ready; nil: it tells nothing
---@param seconds number
function M:await(members, judge, seconds)
  local missing = {}
  if task.timeout(seconds, take_lines, self, members, missing, judge) then return end
  local count = 0
  for _ in next, missing do count = count + 1 end
  fail(("%d of %d are not ready after %g s"):format(count, #members, seconds), (next(missing)))
end

--- Raises if one of them has ended: who was measured since then was measured for nothing.
function M:check()
  while self.said:count() > 0 do
    local said = self.said:pop()
    if not said.line then fail(said.member.label .. " has ended", said.member) end
  end
end

--- CPU time of all of them, until now. Waits.
---@return number seconds
function M:spent()
  local sum = 0
  for _, member in ipairs(self.members) do sum = sum + self.measure.spent(member.pid).cpu end
  return sum
end

--- Resident memory of one of `members`, in the mean. Waits.
---@param members bench.Member[]
---@return number bytes
function M:rss(members)
  local sum = 0
  for _, member in ipairs(members) do sum = sum + self.measure.memory(member.pid).rss end
  return sum / #members
end

return M
