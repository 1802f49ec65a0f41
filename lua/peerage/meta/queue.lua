-- SPDX-License-Identifier: MIT
---@meta engine.queue

--- Queues between tasks: values come out in the order in which they went in, each to one task, first come, first
--- served. `engine.task.queue(limit?)` makes one. A queue belongs to no scope; it goes when nobody refers to it.
---@class engine.queue
local queue = {}

--- Adds a value, without waiting.
---@param value any not nil
---@return true? done, string? message, string? code "the queue is full", "ENOBUFS"
function queue:push(value) end

--- Takes the oldest value; waits while there is none. A value given to a task that is cancelled before it has run on
--- goes with it.
---@return any value
function queue:pop() end

--- How many values are in it.
---@return integer
function queue:count() end

---@param limit? integer most values in it, at least 1; nil: no limit
---@return engine.queue queue
local function new(limit) end

return new
