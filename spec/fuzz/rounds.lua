-- SPDX-License-Identifier: MIT
--- Runs a target round by round, each made from a seed of its own, and sees what must not happen.
--- Invariant: a round depends on its seed alone, so that the first round of a run with that seed repeats it.
local log = require("engine.log")
local scopes = require("engine.scope")
local shrink = require("fuzz.shrink")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}
M.__index = M

local SLOW = 1 -- seconds of CPU time for one round, unless its target says so
local STUCK = 10 -- seconds for one round that waits
local INSTRUCTIONS = 1e6 -- between two looks at the clock
local ROUND_MEMORY, GROWTH = 64 * 1024, 16 * 1024 -- kilobytes: of one round, and of all since the first look
local RSS_GROWTH = 256 * 1024 -- kilobytes; the sanitizer's own bookkeeping is in it
local LOOK_EVERY = 0.5 -- seconds between two looks at memory, tasks and handles
local SETTLE = 2 -- seconds for what a round closed to be gone

---@class fuzz.Target
---@field waits? boolean whether a round may wait: it is a task then
---@field slow? number seconds of CPU time that a round may take, default 1
---@field own_tasks? integer how many of its own come and go
---@field own_handles? integer the same
---@field generate fun(): string an input; from math.random alone
---@field run fun(input: string) raises when something is not as it should be
---@field open? fun() before the first round
---@field close? fun() after the last one

---@class fuzz.Find
---@field seed integer
---@field input string
---@field why string with a traceback

---@param target fuzz.Target
---@param mark fun(seed: integer) told of each round before it begins
---@return fuzz.Rounds
function M.new(target, mark) return setmetatable({ target = target, mark = mark, count = 0 }, M) end

--- The input of a seed.
---@param target fuzz.Target
---@param seed integer
---@return string input
function M.input(target, seed)
  math.randomseed(seed)
  return target.generate()
end

local function look_at_the_clock(started, most)
  return function()
    if os.clock() - started > most then error(("hang: more than %g s of CPU time"):format(most), 2) end
  end
end

local function raised_by(message)
  return type(message) == "string" and debug.traceback(message, 2) or "raised a " .. type(message)
end

local function run_apart(target, input)
  local ok, why = xpcall(task.timeout, raised_by, STUCK, function()
    local fine, message = xpcall(target.run, raised_by, input)
    return { ok = fine, why = message }
  end)
  if not ok then return why end
  if not why then return ("hang: not done after %g s"):format(STUCK) end
  return not why.ok and why.why or nil
end

-- Why the round is a find; nil if it is none.
function M:try(input)
  local before, started, _, raised = collectgarbage("count"), os.clock(), task.stats()
  local most = self.target.slow or SLOW
  debug.sethook(look_at_the_clock(started, most), "", INSTRUCTIONS)
  local why
  if self.target.waits then
    why = run_apart(self.target, input)
  else
    local ok, message = xpcall(self.target.run, raised_by, input)
    why = not ok and message or nil
  end
  debug.sethook()
  if why then return why end
  local seconds, grown = os.clock() - started, collectgarbage("count") - before
  if seconds > most then return ("slow: %.1f s of CPU time"):format(seconds) end
  if grown > ROUND_MEMORY then return ("memory: one round took %.0f MB"):format(grown / 1024) end
  if select(2, task.stats()) > raised then return "a task raised with nobody to hear it: " .. (self.said or "?") end
end

local function resident()
  local file = assert(io.open("/proc/self/statm"))
  local pages = file:read("*a"):match("^%d+ (%d+)")
  file:close()
  return tonumber(pages) * 4
end

local function census()
  collectgarbage()
  collectgarbage()
  return { lua = collectgarbage("count"), rss = resident(), tasks = (task.stats()), handles = scopes.handles() }
end

local function settled(base)
  local deadline = timer.now() + SETTLE
  local now = census()
  while base and (now.tasks > base.tasks or now.handles > base.handles) and timer.now() < deadline do
    task.sleep(0.02)
    now = census()
  end
  return now
end

-- What all rounds together left behind.
function M:look()
  local now, base = settled(self.base), self.base
  if not base then
    self.base = now
    now.tasks = now.tasks + (self.target.own_tasks or 0)
    now.handles = now.handles + (self.target.own_handles or 0)
    return nil
  end
  if now.tasks > base.tasks then return ("%d tasks left behind"):format(now.tasks - base.tasks) end
  if now.handles > base.handles then return ("%d handles left behind"):format(now.handles - base.handles) end
  if now.lua > base.lua + GROWTH then return ("memory grew by %.0f MB"):format((now.lua - base.lua) / 1024) end
  if now.rss > base.rss + RSS_GROWTH then return ("the process grew by %.0f MB"):format((now.rss - base.rss) / 1024) end
end

function M:find(seed, input, why)
  local shortest = shrink.input(input, function(shorter) return self:try(shorter) ~= nil end)
  return { seed = seed, input = input, why = why, shortest = shortest ~= input and shortest or nil }
end

function M:go_on(seed, seconds, tell)
  local deadline = timer.now() + seconds
  local look_at, told_at = timer.now() + LOOK_EVERY, timer.now()
  repeat
    self.mark(seed)
    local input = M.input(self.target, seed)
    local why = self:try(input)
    self.count = self.count + 1
    if why then return self:find(seed, input, why) end
    local now = timer.now()
    if now >= look_at or now >= deadline then
      why = self:look()
      if why then return { seed = seed, input = input, why = why .. " (by this round or one before it)" } end
      look_at = timer.now() + LOOK_EVERY
    end
    if now - told_at >= 1 then
      tell(self.count)
      told_at = now
    end
    seed = seed + 1
  until now >= deadline
end

--- Runs rounds for some seconds, at least one.
---@param seed integer of the first one; each further one has the next number
---@param seconds number
---@param tell fun(count: integer) called about once a second
---@return fuzz.Find|nil find
function M:run(seed, seconds, tell)
  log.capture(function(level, _, message, fields)
    if level == "error" then self.said = message .. (fields and fields.traceback and "\n" .. fields.traceback or "") end
  end)
  if self.target.open then self.target.open() end
  local find = self:go_on(seed, seconds, tell)
  if self.target.close then self.target.close() end
  log.capture()
  return find
end

return M
