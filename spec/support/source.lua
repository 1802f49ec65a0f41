-- SPDX-License-Identifier: MIT
--- A built-in provider that runs in a spec as it does in a cluster: validated options, its own scope, its serve().
local Instance = require("peerage.instance")
local schema = require("peerage.schema")
local scopes = require("engine.scope")
local task = require("engine.task")

local M = {}
M.__index = M

local PATIENCE = 5 -- seconds

--- What stands in the options where nothing was given. Raises where they are wrong.
---@param module table
---@param options table
---@return table
function M.options(module, options)
  local valid, message = schema.validate(module.options, options, "options")
  local ok = valid
  if ok and module.check then ok, message = module.check(valid) end
  if not ok then error(message, 0) end
  return valid
end

--- Starts one.
---@param module table
---@param options table
---@param more table|nil for peerage.InstanceSpec
---@return spec.Source
function M.start(module, options, more)
  local self = setmetatable({ scope = scopes.new("source"), wishes = task.queue(1), updates = task.queue(1) }, M)
  local spec = {
    unit = { module = module, files = {} }, options = M.options(module, options), label = "provider source", name = "me@here",
    scope = self.scope, methods = { poll_soon = function() self.wishes:push(true) end },
    on_update = function() self.updates:push(true) end,
  }
  for key, value in pairs(more or {}) do spec[key] = value end
  self.instance = Instance.start(spec)
  return self
end

local function await(queue, what)
  if not task.timeout(PATIENCE, queue.pop, queue) then error("waited in vain for " .. what, 3) end
end

--- Waits until a poll is asked for.
function M:await_wish() await(self.wishes, "poll_soon()") end

--- Waits until update() is called.
function M:await_update() await(self.updates, "update()") end

-- What an answer names, in its order: "a@h b@h:80".
local function names(list)
  local result = {}
  for i, node in ipairs(list) do result[i] = node.name .. (node.port and ":" .. node.port or "") end
  return table.concat(result, " ")
end

--- The answer: the names of the nodes as one text, or nil, and the message.
---@param seconds number|nil
---@return string|nil names, string? message
function M:ask(seconds)
  local ok, list, message = self.instance:ask(seconds or PATIENCE)
  if not ok then return nil, "failed: " .. list.message end
  return list and names(list), message
end

--- Ends it.
function M:stop() self.scope:close() end

return M
