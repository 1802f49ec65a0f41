-- SPDX-License-Identifier: MIT
--- Rolls new versions out: a provider's goes back if it fails before its first poll has returned.
--- Invariant: the registry is not touched; a version that was refused leaves the old one running.
local Instance = require("peerage.instance")
local equal = require("peerage.equal")
local loader = require("peerage.loader")
local plan = require("peerage.plan")
local task = require("engine.task")

local M = {}

-- What says that a version is broken; `nil, message` and a timeout do not.
local BROKEN = { raised = true, breach = true, closed = true, interrupted = true, out_of_memory = true }

-- The version before closes and the next starts a loop turn later, unless another was called for meanwhile.
local function replace(cluster, part, state, trial, failures)
  local wish = {}
  cluster.wish = wish
  cluster.provider:close()
  task.sleep(0)
  local own = Instance.adopt(cluster.scope, part.account, cluster:label("provider", part), state)
  if cluster.wish ~= wish then return end
  cluster.provider:close() -- one that was just being started again
  cluster.trial = trial
  cluster:start_provider(part, own, failures)
  cluster:poll_soon()
end

local function start(cluster, part)
  local state = cluster.provider:state()
  local earlier = cluster.trial and cluster.trial.earlier
    or { part = cluster.provider_part, state = state, failures = cluster.provider.failures }
  replace(cluster, part, state, { earlier = earlier })
  cluster.provider.log.info("reloaded")
end

-- What is written where does not matter.
local function says_the_same(old, new) return equal(old.target, new.target) and equal(old.options, new.options) end

-- Whether a part has another setting, or other files than the one that runs and than the one that was refused.
local function is_new(cluster, old, new, running, loaded)
  if not says_the_same(old, new) then return true end
  local files = loaded.unit.files
  return not equal(files, running.unit.files) and not equal(files, cluster.refused)
end

-- One goes on whose options alone have changed, if what it shares has taken them over: that costs no connection.
local function update_connector(cluster, old_target, new_target, part)
  local has_same_code = equal(old_target, new_target) and equal(part.unit.files, cluster.connector_part.unit.files)
  if has_same_code and part.is_taken_over then
    cluster:set_connector_options(part.options)
    return cluster.connector.log.info("other options are taken over")
  end
  cluster:replace_connector(part)
  cluster.connector.log.info("reloaded")
end

--- Takes over a plan: of the provider and the connector those are replaced that are new.
---@param cluster peerage.Cluster
---@param planned peerage.PlannedCluster
function M.configure(cluster, planned)
  local old, new = cluster.settings, planned.settings
  local old_target = old.connect.target -- its settings are replaced in place
  local has_new_connector = planned.connector.shared ~= cluster.connector_part.shared
    or is_new(cluster, old.connect, new.connect, cluster.connector_part, planned.connector)
  local has_new_provider = old.serves ~= new.serves or is_new(cluster, old.via, new.via, cluster.provider_part, planned.provider)
  if has_new_provider or not equal(planned.provider.unit.files, cluster.refused) then cluster.refused = {} end
  cluster:configure(new)
  if has_new_connector then update_connector(cluster, old_target, new.connect.target, planned.connector) end
  if has_new_provider then start(cluster, planned.provider) end
end

--- serve() of the version on trial ended.
function M.take_serve_failure(cluster, failure)
  if cluster.trial and BROKEN[failure.reason] then cluster.trial.failure = failure end
end

local function earlier_part(cluster, earlier)
  local part, message = plan.again(loader.PROVIDER, earlier)
  if not part then cluster.provider.log.error("the previous version does not load any more: " .. message) end
  return part
end

--- Judges the first poll of a new version.
---@param cluster peerage.Cluster
---@param failure table|nil why the poll gave no list
---@return boolean is_over the version that was polled runs no more
function M.judge(cluster, failure)
  local trial = cluster.trial
  local reason = trial and (trial.failure or failure and BROKEN[failure.reason] and failure)
  if not reason then
    cluster.trial = nil
    return false
  end
  cluster.provider.log.error("the new version failed before its first poll was over, the previous one runs again: "
    .. reason.message, { traceback = reason.traceback })
  local provider, part = cluster.provider, earlier_part(cluster, trial.earlier.part)
  if cluster.provider ~= provider or provider:is_closed() then return true end -- a newer one came while that was loaded
  if not part then
    cluster.trial = nil
    return false
  end
  cluster.refused = cluster.provider_part.unit.files
  replace(cluster, part, trial.earlier.state, nil, trial.earlier.failures)
  return true
end

return M
