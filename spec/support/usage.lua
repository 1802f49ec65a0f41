-- SPDX-License-Identifier: MIT
--- What a process costs at the moment, from /proc.
local fs = require("engine.fs")

local M = {}

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
---@param pid integer|"self"
---@return number|nil seconds nil: it has ended
function M.waited(pid)
  local text = fs.read(("/proc/%s/schedstat"):format(pid))
  return text and tonumber(text:match("^%d+ (%d+)")) / 1e9
end

return M
