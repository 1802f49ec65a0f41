-- SPDX-License-Identifier: MIT
--- What each part of a cluster costs and how it fares, and what the process does: plain data, made anew each time.
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

local STARTED = timer.now() -- seconds

---@class peerage.PartStats
---@field name string|nil nil: of hooks
---@field bytes integer of Lua memory that it holds
---@field cpu number seconds
---@field tasks integer
---@field handles integer
---@field raised integer calls that raised or broke the contract
---@field timed_out integer calls
---@field interrupted integer times that it was over its budget, also outside of calls
---@field out_of_memory integer calls
---@field restarts integer of serve(), or of the whole provider
---@field failing boolean|nil of a provider: its polls failed ten times in a row
---@field dropped integer|nil of a connector: reports, of hooks: events that came faster than they could be taken

-- What a part is charged with, and what its calls came to.
local function of_part(part, name)
  local used, counts = part.account:stats(), part.failures.counts
  return {
    name = name, bytes = used.bytes, cpu = used.cpu, tasks = used.tasks, handles = used.handles,
    raised = counts.raised, timed_out = counts.timed_out, interrupted = math.max(used.interrupted, counts.interrupted),
    out_of_memory = counts.out_of_memory, restarts = counts.restarts,
  }
end

local function with(used, name, value)
  used[name] = value
  return used
end

---@class peerage.ClusterStats
---@field provider peerage.PartStats
---@field connector peerage.PartStats
---@field hooks peerage.PartStats

---@param cluster peerage.Cluster
---@return peerage.ClusterStats
function M.of_cluster(cluster)
  return {
    provider = with(of_part(cluster.provider, cluster.provider_part.name), "failing", cluster.provider.failures.is_failing),
    connector = with(of_part(cluster.connector.instance, cluster.connector_part.name), "dropped", cluster.connector.dropped),
    hooks = with(of_part(cluster.hooks), "dropped", cluster.hooks.dropped),
  }
end

-- VmRSS of proc(5), in kB there; procfs does not wait for a disk.
local function resident()
  local file = io.open("/proc/self/status")
  local text = file and file:read("*a")
  if file then file:close() end
  local kilobytes = text and text:match("\nVmRSS:%s*(%d+)")
  return kilobytes and tonumber(kilobytes) * 1024
end

---@class peerage.ProcessStats
---@field uptime number seconds
---@field rss integer|nil bytes that are resident; nil where there is no /proc
---@field lua integer bytes of Lua memory in all
---@field tasks integer
---@field raised integer tasks that ended by an error which nobody waited for
---@field handles integer

---@return peerage.ProcessStats
function M.of_process()
  local tasks, raised = task.stats()
  return {
    uptime = timer.now() - STARTED, rss = resident(), lua = math.floor(collectgarbage("count") * 1024),
    tasks = tasks, raised = raised, handles = scopes.handles(),
  }
end

return M
