-- SPDX-License-Identifier: MIT
--- Rolls a new version of a provider out, and back if it fails before its first poll has returned.
--- Invariant: the registry is not touched; a version that was refused leaves the old one running.
local loader = require("peerage.loader")
local plan = require("peerage.plan")
local task = require("engine.task")

local M = {}

-- What says that a version is broken; `nil, message` and a timeout do not.
local BROKEN = { raised = true, breach = true, closed = true }

--- Replaces the running version: its state is copied, its scope closes, the new one starts a loop turn later.
---@param cluster peerage.Cluster
---@param part peerage.Part
function M.start(cluster, part)
  local state = cluster.provider:state()
  local earlier = cluster.trial and cluster.trial.earlier or { part = cluster.provider_part, state = state }
  cluster.provider:close()
  task.sleep(0)
  cluster.trial = { earlier = earlier }
  cluster:start_provider(part, state)
  cluster:poll_soon()
end

--- serve() of the version on trial ended.
function M.take_serve_failure(cluster, failure)
  if cluster.trial then cluster.trial.failure = failure end
end

local function earlier_part(cluster, earlier)
  local unit, message = earlier.unit, nil
  if unit.path then unit, message = plan.load_unit(loader.PROVIDER, nil, nil, unit) end
  if not unit then
    cluster.provider.log.error("the previous version does not load any more: " .. message)
    return nil
  end
  return { unit = unit, name = earlier.name, options = earlier.options }
end

--- Judges the first poll of a new version.
---@param cluster peerage.Cluster
---@param failure table|nil why the poll gave no list
---@return boolean rolled_back
function M.judge(cluster, failure)
  local trial = cluster.trial
  cluster.trial = nil
  if not trial then return false end
  local reason = trial.failure or failure and BROKEN[failure.reason] and failure
  if not reason then return false end
  cluster.provider.log.error("the new version failed before its first poll was over, the previous one runs again: "
    .. reason.message, { traceback = reason.traceback })
  local part = earlier_part(cluster, trial.earlier.part)
  if not part then return false end
  cluster.provider:close()
  task.sleep(0)
  cluster:start_provider(part, trial.earlier.state)
  return true
end

return M
