-- SPDX-License-Identifier: MIT
--- Around each spec: it fails if a task raised with nobody to hear it, or if it leaves a task or a handle behind.
local busted = require("busted")
local scope = require("engine.scope")
local task = require("engine.task")

local PATIENCE = 10 -- seconds for what a spec closed to be gone

local before

local function census()
  collectgarbage()
  local tasks, raised = task.stats()
  return { tasks = tasks, raised = raised, handles = scope.handles() }
end

-- What was dropped goes at the next collection and the next turns of the loop.
local function settle()
  local now = census()
  for _ = 1, PATIENCE / 0.01 do
    if now.tasks <= before.tasks and now.handles <= before.handles then break end
    task.sleep(0.01)
    now = census()
  end
  return now
end

-- At the root these come before and after those of each spec file.
busted.before_each(function() before = census() end)
busted.after_each(function()
  local now = settle()
  assert(now.raised == before.raised, "a task raised with nobody to hear it: see the log above")
  assert(now.tasks <= before.tasks, ("%d tasks left behind"):format(now.tasks - before.tasks))
  assert(now.handles <= before.handles, ("%d handles left behind"):format(now.handles - before.handles))
end)
