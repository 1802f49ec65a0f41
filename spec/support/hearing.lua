-- SPDX-License-Identifier: MIT
--- Listens to the log in a spec: keeps what is said, and lets the spec wait for it.
local log = require("engine.log")
local task = require("engine.task")

local M = {}
M.__index = M

local PATIENCE = require("support.patience")

--- Begins to listen; nothing reaches stderr until `stop`.
---@return spec.Hearing
function M.start()
  local self = setmetatable({ said = {}, arrivals = task.queue() }, M)
  log.capture(function(level, source, message, fields)
    local entry = { level = level, source = source, message = message, fields = fields }
    self.said[#self.said + 1] = entry
    self.arrivals:push(entry)
  end)
  return self
end

--- Ends it.
function M:stop() log.capture() end

--- Waits for a message that holds `text` (plain), among those not yet looked at.
---@return { level: string, source: string, message: string, fields: table? }
function M:expect(text)
  local entry = task.timeout(PATIENCE, function()
    while true do
      local entry = self.arrivals:pop()
      if entry.message:find(text, 1, true) then return entry end
    end
  end)
  return entry or error(("expected to hear %q"):format(text), 2)
end

--- How many messages hold `text` (plain).
function M:count(text)
  local count = 0
  for _, entry in ipairs(self.said) do
    if entry.message:find(text, 1, true) then count = count + 1 end
  end
  return count
end

return M
