-- SPDX-License-Identifier: MIT
--- What a process costs at the moment, from /proc.
local fs = require("engine.fs")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

local SAMPLE = 0.01 -- seconds between two looks at how long processes have waited: one that ends says it no more
local TICKS = 100 -- a second: USER_HZ, the same on all architectures that Linux has today

-- Fields 14 and 15 of proc(5); the second field is a name with any bytes in parentheses.
local function cpu(pid)
  local after_name = assert(fs.read(("/proc/%d/stat"):format(pid))):match(".*%) (.*)")
  local user, system = after_name:match("^" .. ("%S+ "):rep(11) .. "(%d+) (%d+)")
  return (user + system) / TICKS
end

--- Waits.
---@param pid integer
---@return { memory: integer, descriptors: integer, cpu: number } usage resident kilobytes; open ones; seconds so far
function M.of(pid)
  local status = assert(fs.read(("/proc/%d/status"):format(pid)))
  return {
    memory = tonumber(status:match("VmRSS:%s+(%d+)")), descriptors = #assert(fs.list(("/proc/%d/fd"):format(pid))),
    cpu = cpu(pid),
  }
end

--- How long it has been ready to run while others had the CPUs (/proc/PID/schedstat). Waits.
---@param pid integer|string "self"; "12/root/proc/3": what 12 knows as 3
---@return number|nil seconds nil: it has ended
function M.waited(pid)
  local text = fs.read(("/proc/%s/schedstat"):format(pid))
  return text and tonumber(text:match("^%d+ (%d+)")) / 1e9
end

--- How long `action` takes, without what processes wait for a CPU meanwhile on a loaded host: they are those that have to
--- run for it one after the other. Waits, and raises what it raises.
---@generic T
---@param pids (integer|string)[] as `waited` takes them
---@param action fun(): T
---@return number seconds
---@return T result
function M.time(pids, action)
  local before, waited = {}, {}
  for i, pid in ipairs(pids) do before[i] = M.waited(pid) or 0 end
  local function look()
    for i, pid in ipairs(pids) do waited[i] = M.waited(pid) or waited[i] or before[i] end
  end
  local began = timer.now()
  local sampler = task.spawn(function()
    while true do
      look()
      task.sleep(SAMPLE)
    end
  end)
  local ok, result = pcall(action)
  look()
  local took = timer.now() - began
  sampler:cancel()
  if not ok then error(result, 0) end
  for i in ipairs(pids) do took = took - (waited[i] - before[i]) end
  return took, result
end

return M
