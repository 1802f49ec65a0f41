-- SPDX-License-Identifier: MIT
--- Streams of bytes, as engine.tcp and engine.process give them: the Lua half. Their contract is in the stub of engine.tcp.
--- Invariant: what came with that which was asked for, or before a read was given up, is kept for the next read.
local concat, sub = table.concat, string.sub

local MAX_READ = 2 ^ 30 -- bytes
local UNFINISHED = "an earlier write that was given up is still under way: flush() waits for it"

---@class engine.tcp.Stream
---@field private handle userdata
---@field private label string
---@field private chunks string[] what is kept; the first is read up to `at`
---@field private at integer
---@field private size integer bytes that are kept
local Stream = {}
local class = { __index = Stream, __name = "stream" } -- apart: nobody gets at it by an object

local M = {}

--- Makes a stream of what C gave. It is closed when nobody has it any more.
---@param handle userdata
---@param label string whom it connects, for messages: "10.0.0.1:9000"
---@return engine.tcp.Stream
function M.new(handle, label)
  return setmetatable({ handle = handle, label = label, chunks = {}, at = 1, size = 0 }, class)
end

local function handle_of(self)
  if getmetatable(self) == class then return self.handle end
  error(("expected a stream as self, found a %s: call the method with a colon"):format(type(self)), 3)
end

-- Called in a method's `return`, which leaves no level of its own.
local function explain(self, verb, preposition, ok, reason, code)
  if ok or code == "ECANCELED" or code == "EOF" then return ok, reason, code end
  if code == "EALREADY" then error(("another task %ss %s %s already"):format(verb, preposition, self.label), 2) end
  if code == "EBUSY" then return nil, UNFINISHED, code end
  return nil, ("cannot %s %s %s: %s"):format(verb, preposition, self.label, reason), code
end

local function take(self, count)
  local chunks, at = self.chunks, self.at
  local stop, text = at + count - 1, chunks[2] and concat(chunks) or chunks[1]
  self.size = self.size - count
  if self.size == 0 then
    self.chunks, self.at = {}, 1
  elseif chunks[2] then
    self.chunks, self.at = { sub(text, stop + 1) }, 1
  else
    self.at = stop + 1
  end
  return sub(text, at, stop)
end

--- Waits for `count` bytes, or whatever comes.
function Stream:read(count)
  local handle, size = handle_of(self), self.size
  if count ~= nil and not (type(count) == "number" and count >= 1 and count <= MAX_READ and count % 1 == 0) then
    error("expected a count of bytes from 1 to 2^30, found " .. tostring(count), 2)
  end
  if size == 0 and not count then return explain(self, "read", "from", handle:read()) end
  count = count or size
  if size >= count and not handle:read(true) then return explain(self, "read", "from", handle:read(true)) end
  while self.size < count do
    local data, reason, code = handle:read()
    if not data then return explain(self, "read", "from", nil, reason, code) end
    self.chunks[#self.chunks + 1] = data
    self.size = self.size + #data
  end
  return take(self, count)
end

--- Writes all of it.
function Stream:write(data)
  local handle = handle_of(self)
  if type(data) ~= "string" then error(("bad argument #1 (string expected, got %s)"):format(type(data)), 2) end
  return explain(self, "write", "to", handle:write(data))
end

--- Waits for the rest of a write that was given up.
function Stream:flush() return explain(self, "write", "to", handle_of(self):flush()) end

--- Ends this direction.
function Stream:shutdown() return explain(self, "write", "to", handle_of(self):shutdown()) end

--- This end.
function Stream:address() return handle_of(self):address() end

--- The other end.
function Stream:peer() return handle_of(self):peer() end

--- Closes it.
function Stream:close() handle_of(self):close() end

return M
