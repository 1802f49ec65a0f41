-- SPDX-License-Identifier: MIT
--- Signals by name ("HUP"), and as values to wait for: `engine.process.signals`.
local core = require("engine.process.core")
local task = require("engine.task")

local M = { names = core.names() }

local numbers = {}
for number, name in pairs(M.names) do numbers[name] = number end

---@class engine.process.Signals
local Signals = {}
local class = { __index = Signals, __name = "signals" } -- apart: nobody gets at it by an object

--- Waits for the next one.
function Signals:next()
  local name = not self.is_closed and self.queue:pop()
  if not name then return nil, "closed", "ECANCELED" end
  self.waiting[name] = nil
  return name
end

--- Iterates over them until it is closed.
function Signals:each()
  return function() return (self:next()) end
end

--- Gives them back.
function Signals:close()
  for _, watch in ipairs(self.watches) do watch:close() end
  self.is_closed = true
  self.queue:push(false)
end

-- One that waits to be heard is not noted again.
local function note(self, watch, name)
  while watch:next() do
    if not self.waiting[name] then
      self.waiting[name] = true
      self.queue:push(name)
    end
  end
end

--- Its number. Raises if there is no such signal.
---@param name string
---@param level integer whom the error blames, as with `error`
---@return integer number
function M.number(name, level)
  return numbers[name] or error(('no signal is called "%s": expected a name like "HUP"'):format(tostring(name)), level + 1)
end

--- Takes signals. As in the stub of engine.process.
function M.watch(...)
  local self = setmetatable({ queue = task.queue(), waiting = {}, watches = {} }, class)
  for i, name in ipairs({ ... }) do
    local watch, message, code = core.watch(M.number(name, 2))
    if not watch then
      self:close()
      return nil, message, code
    end
    self.watches[i] = watch
    task.spawn(note, self, watch, name)
  end
  return self
end

return M
