-- SPDX-License-Identifier: MIT
--- Accounts: the Lua half, which checks limits and names figures.
local core = require("engine.account.core")

local M = {}

local methods = core.methods
local set_limits, figures = methods.limit, methods.stats

local function check_limit(limits, name)
  local value = rawget(limits, name)
  if value == nil or type(value) == "number" and value > 0 and value <= 2 ^ 53 then return value or 0 end
  error(("expected a number above 0 as %s, found %s"):format(name, tostring(value)), 3)
end

local function check_table(value)
  if type(value) ~= "table" then error("expected a table of limits, found a " .. type(value), 3) end
end

--- A new account. Wrong options raise.
---@param options engine.account.options
---@return engine.account
function M.new(options)
  check_table(options)
  if type(options.label) ~= "string" then error("expected a string as label, found a " .. type(options.label), 2) end
  local budget, memory_limit = check_limit(options, "budget"), check_limit(options, "memory_limit")
  local account = core.new(options.label)
  set_limits(account, budget, memory_limit)
  return account
end

--- The engine's own, which has no limits.
---@return engine.account
function M.engine() return core.new() end

--- Sets both limits, from the next wait of each task on.
---@param limits engine.account.limits
function methods:limit(limits)
  check_table(limits)
  set_limits(self, check_limit(limits, "budget"), check_limit(limits, "memory_limit"))
end

--- What is charged to it.
---@return engine.account.stats
function methods:stats()
  local bytes, cpu, tasks, handles, interrupted, refused = figures(self)
  return { bytes = bytes, cpu = cpu, tasks = tasks, handles = handles, interrupted = interrupted, refused = refused }
end

return M
