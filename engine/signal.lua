-- SPDX-License-Identifier: MIT
--- Signals as values to wait for: `engine.process.signals`.
local core = require("engine.process.core")
local task = require("engine.task")

---@class engine.process.Signals
local Signals = {}
Signals.__index = Signals
Signals.__name = "signals"

function Signals:next()
  local name = not self.is_closed and self.queue:pop()
  if not name then return nil, "closed", "ECANCELED" end
  self.waiting[name] = nil
  return name
end

function Signals:each()
  return function() return (self:next()) end
end

function Signals:close()
  for _, watch in ipairs(self.watches) do watch:close() end
  self.is_closed = true
  self.queue:push(false)
end

local function note(self, name)
  if self.waiting[name] then return end
  self.waiting[name] = true
  self.queue:push(name)
end

return function(...)
  local self = setmetatable({ queue = task.queue(), waiting = {}, watches = {} }, Signals)
  for i, name in ipairs({ ... }) do
    local watch, message, code = core.on_signal(name, function() note(self, name) end)
    if not watch then
      self:close()
      return nil, message, code
    end
    self.watches[i] = watch
  end
  return self
end
