-- SPDX-License-Identifier: MIT
--- Who pays for what: each part of a cluster (provider, connector, hooks) has an account, with the cluster's limits.
--- Invariant: the engine's own tasks are on none of these.
local account = require("engine.account")
local config_cluster = require("peerage.config.cluster")

local M = {}

-- What a cluster has when its config says nothing: a config's own code has the same.
local DEFAULTS = assert(config_cluster.read({}, {}, nil, { path = "", known = {} }))

--- Who a part of a cluster is in the log: "provider dns", "web: provider dns".
---@param cluster string its name
---@param word string such as "provider"
---@param name string|nil of the part
---@return string
function M.label(cluster, word, name)
  local prefix = cluster == "default" and "" or cluster .. ": "
  return prefix .. word .. (name and " " .. name or "")
end

--- An account of its own.
---@param label string
---@param settings { budget: number?, memory_limit: integer? } seconds and bytes, as a cluster has them; nil: without limit
---@return engine.account
function M.new(label, settings)
  return account.new({ label = label, budget = settings.budget, memory_limit = settings.memory_limit })
end

--- The account of a config's code, of its deferred values included.
---@return engine.account
function M.config() return M.new("config", DEFAULTS) end

--- Has it follow settings that have changed.
---@param of engine.account
---@param settings { budget: number?, memory_limit: integer? }
function M.limit(of, settings) of:limit({ budget = settings.budget, memory_limit = settings.memory_limit }) end

return M
