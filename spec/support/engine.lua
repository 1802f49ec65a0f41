-- SPDX-License-Identifier: MIT
--- A whole engine in this process, with its config in a folder of its own, and a spec's ear at its log.
local Folder = require("support.folder")
local Hearing = require("support.hearing")
local log = require("engine.log")
local peerage = require("peerage")
local plan = require("peerage.plan")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}
M.__index = M

local PATIENCE = require("support.patience")

---@return spec.Engine
function M.new() return setmetatable({ folder = Folder.new(), hearing = Hearing.start() }, M) end

--- Writes a config and starts it.
---@return peerage.Engine|nil engine
---@return string? message
function M:start(text)
  local conf = assert(peerage.load_config(self.folder:write("config.lua", text)))
  local message
  self.engine, message = peerage.start(assert(plan.prepare(conf)))
  return self.engine, message
end

--- Saves a file and waits until that was taken in.
---@param expected string what is said then
function M:save(name, text, expected)
  self.folder:write(name, text)
  self.engine:reload_now()
  return self.hearing:expect(expected)
end

--- Waits for a condition, which `what` names.
function M.await(condition, what)
  local deadline = timer.now() + PATIENCE
  while not condition() do
    if timer.now() > deadline then error("waited in vain for " .. what, 2) end
    task.sleep(0.005)
  end
end

--- Waits for a node to be live.
---@param cluster? string "default"
function M:await_live(name, cluster)
  M.await(function()
    local record = self.engine.clusters[cluster or "default"].registry:get(name)
    return record and record.live
  end, name .. " to be live")
end

--- Stops it, if it was not stopped.
function M:stop()
  if self.engine then self.engine:stop() end
  self.engine = nil
end

--- Ends all of it.
function M:close()
  self:stop()
  self.hearing:stop()
  log.level("info")
  self.folder:remove()
end

return M
