-- SPDX-License-Identifier: MIT
--- Queues between tasks: values go in without waiting and come out in order, one to each task that waits.
--- Invariants: no task waits while there is a value; what raises for want of memory leaves a queue as it was.
local core = require("engine.queue.core")

local wait, wake = core.wait, core.wake

-- `size` values, from index `first` of `values` on.
local Queue = {}
local class = { __index = Queue, __name = "queue", __metatable = "queue" } -- closed: all queues share it

local function refuse(self)
  error(("expected a queue as self, found a %s: call the method with a colon"):format(type(self)), 3)
end

--- Adds a value. As in the stub.
function Queue:push(value)
  if getmetatable(self) ~= "queue" then refuse(self) end
  if value == nil then error("a queue holds no nil", 2) end
  local size = self.size
  if size == 0 and wake(self.tasks, value) then return true end
  if size == self.limit then return nil, "the queue is full", "ENOBUFS" end
  self.values[self.first + size] = value
  self.size = size + 1
  return true
end

--- Takes the oldest value; waits while there is none.
function Queue:pop()
  if getmetatable(self) ~= "queue" then refuse(self) end
  local size, first, values = self.size, self.first, self.values
  local value = values[first]
  if size == 0 then
    value = wait(self.tasks) -- no tail call: who waits keeps the queue alive
    return value
  end
  values[first] = nil
  self.size = size - 1
  self.first = size > 1 and first + 1 or 1
  return value
end

--- How many values are in it.
function Queue:count()
  if getmetatable(self) ~= "queue" then refuse(self) end
  return self.size
end

return function(limit)
  if limit ~= nil and not (type(limit) == "number" and limit >= 1) then
    error(("expected a limit of at least 1, found %s"):format(tostring(limit)), 2)
  end
  return setmetatable({ tasks = core.new(), values = {}, first = 1, size = 0, limit = limit }, class)
end
