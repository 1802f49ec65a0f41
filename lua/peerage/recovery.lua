-- SPDX-License-Identifier: MIT
--- What follows when a provider fails time after time, or when its memory limit was not enough for it or a connector.
--- Invariant: the registry is not touched, and a new version that comes meanwhile goes first.
local Failing = require("peerage.failing")
local Instance = require("peerage.instance")
local loader = require("peerage.loader")
local plan = require("peerage.plan")
local rollout = require("peerage.rollout")
local supervisor = require("peerage.supervisor")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

local LARGEST_STATE = 0.5 -- of memory_limit, which a provider may hold that starts again: more would leave no room to work in

-- Closes it, so that its memory comes back; the loop starts it again when its time has come.
local function exhaust(cluster, provider)
  if provider ~= cluster.provider or provider:is_closed() then return end
  local delay = provider.failures:delay(timer.now() - provider.started_at)
  provider.restart_at = timer.now() + delay
  provider.log.info(("it lets go of its memory and starts afresh in %.1f s"):format(delay))
  provider:release()
  if not provider.failures.is_failing then cluster:poll_soon() end
  task.sleep(0)
  collectgarbage()
end

--- serve() ended.
---@param cluster peerage.Cluster
---@param failure peerage.Failure
---@return boolean is_over the whole provider is started again, not serve() alone
function M.take_serve_failure(cluster, failure)
  rollout.take_serve_failure(cluster, failure)
  if failure.reason ~= "out_of_memory" or cluster.trial then return false end
  cluster.scope:spawn(exhaust, cluster, cluster.provider)
  return true
end

-- Its connections end with it; those of a plain function are none of its own.
local function renew(cluster, connector)
  local instance = connector.instance
  local part, message
  instance:release()
  if not (connector.asks_each_poll or connector.follows_found) then cluster:lose_all("the connector starts afresh") end
  collectgarbage()
  repeat
    local delay = instance.failures:delay(timer.now() - instance.started_at)
    instance.log.info(("it let go of its memory and starts afresh in %.1f s"):format(delay))
    task.sleep(delay)
    if cluster.connector ~= connector then return end -- a new version came
    part, message = plan.again(loader.CONNECTOR, cluster.connector_part)
    if cluster.connector ~= connector then return end
    if not part then instance.log.error("it cannot be started again: " .. message) end
  until part
  instance.failures:restarted()
  cluster:replace_connector(part, instance.failures, cluster.settings.memory_limit * LARGEST_STATE)
end

--- A call of the connector's failed, or its serve() ended.
---@param cluster peerage.Cluster
---@param connector peerage.Connector
---@param failure peerage.Failure
---@return boolean is_over the whole connector is started again
function M.take_connector_failure(cluster, connector, failure)
  if failure.reason ~= "out_of_memory" then return false end
  if not connector.is_ending then
    connector.is_ending = true
    supervisor.keep(cluster.scope, "starting the connector afresh", renew, cluster, connector)
  end
  return true
end

local function say(cluster, news)
  local provider = cluster.provider
  cluster.is_changed = true
  local period = provider.failures:period(cluster.settings.interval)
  if news == "failing" then
    provider.log.error(("it failed %d times in a row: it is polled every %g s until it succeeds"):format(
      Failing.MOST, period))
  else
    provider.log.info(("it succeeds again: it is polled every %g s"):format(period))
  end
end

--- Takes in what a poll of the version that runs came to.
---@param cluster peerage.Cluster
---@param failure peerage.Failure|nil
function M.judge(cluster, failure)
  local provider = cluster.provider
  if failure and failure.reason == "breach" then provider.failures:count(failure) end
  local news = provider.failures:judge(failure)
  if news then say(cluster, news) end
  if news == "failing" and cluster.wake:count() > 0 then cluster.wake:pop() end -- what was wished before does not count
  if failure and failure.reason == "out_of_memory" then exhaust(cluster, provider) end
end

--- Starts a provider again that was closed for its memory, when its time has come. Waits until then, or until something
--- else is wished.
---@param cluster peerage.Cluster
function M.revive(cluster)
  local provider, wish = cluster.provider, cluster.wish
  if not provider.restart_at then return end
  local left = provider.restart_at - timer.now()
  if left > 0 then task.timeout(left, cluster.wake.pop, cluster.wake) end
  if cluster.wish ~= wish then return end
  local part, message = plan.again(loader.PROVIDER, cluster.provider_part)
  if not part then
    provider.log.error("it cannot be started again: " .. message)
    provider.restart_at = timer.now() + provider.failures:delay(0)
    return
  end
  local state = Instance.adopt(cluster.scope, part.account, provider.spec.label, provider.self.state,
    cluster.settings.memory_limit * LARGEST_STATE)
  if cluster.wish ~= wish then return end
  provider:forget()
  provider.failures:restarted()
  cluster:start_provider(part, state, provider.failures)
end

return M
