-- SPDX-License-Identifier: MIT
--- An answer that is read as it comes, in chunks or in lines. While nobody reads, the server waits.
local find, sub = string.find, string.sub

local M = {}

---@class engine.http.Response
---@field status integer
---@field headers table<string, string>
---@field label string where it comes from, for messages
---@field private transfer userdata
---@field private explain fun(...): string, string
---@field private max_line integer bytes
---@field private chunk string of which lines were taken up to `at`
---@field private at integer
---@field private parts string[] of a line that is not complete
---@field private size integer bytes of them
---@field private failure? { message: string, code: string }
---@field private is_finished? boolean
local Response = {}
local class = { __index = Response, __name = "http response" } -- apart: nobody gets at it by an object

--- Makes one of a transfer whose head has come. It is closed when nobody has it any more.
---@param transfer userdata
---@param answer { status: integer, headers: table<string, string>, label: string }
---@param explain fun(...): string, string message and code of what the transfer gave
---@param max_line integer bytes
---@return engine.http.Response
function M.new(transfer, answer, explain, max_line)
  return setmetatable({
    status = answer.status, headers = answer.headers, label = answer.label, transfer = transfer, explain = explain,
    max_line = max_line, chunk = "", at = 1, parts = {}, size = 0,
  }, class)
end

local function fail(self, message, code)
  self.failure = self.failure or { message = message, code = code }
  self.transfer:close()
end

-- Whatever has come; nil at the end, whose reason is kept.
local function read(self)
  if self.failure or self.is_finished then return nil end
  local data, result, text, phase, code, reason = self.transfer:read()
  if data then return data end
  if result then
    fail(self, self.explain(result, text, phase, code, reason))
  else
    self.is_finished = true
    self.transfer:close()
  end
end

-- What has been read and is in no line yet.
local function take_rest(self)
  if self.failure then return nil end
  local rest = table.concat(self.parts) .. sub(self.chunk, self.at)
  self.parts, self.chunk, self.at, self.size = {}, "", 1, 0
  return rest ~= "" and rest or nil
end

--- Iterates over the body in pieces as they come.
---@return fun(): string?
function Response:chunks()
  return function() return take_rest(self) or read(self) end
end

-- The bytes of the line so far, with so many more; nil when it is too long.
local function grow(self, count)
  local size = self.size + count
  if size <= self.max_line then return size end
  fail(self, self.explain(("a line of more than %d bytes came"):format(self.max_line), "EMSGSIZE"))
end

-- Keeps what is left of the chunk, which ends in the middle of a line.
local function keep_rest(self)
  local chunk, at, parts = self.chunk, self.at, self.parts
  local size = grow(self, #chunk + 1 - at)
  if not size or at > #chunk then return end
  parts[#parts + 1] = sub(chunk, at)
  self.at, self.size = #chunk + 1, size
end

-- The next line of the chunk; nil when there is none in it, or it is too long.
local function take_line(self)
  local at, parts = self.at, self.parts
  local stop = find(self.chunk, "\n", at, true)
  if not stop then return keep_rest(self) end
  if not grow(self, stop - at) then return nil end
  local line = sub(self.chunk, at, stop - 1)
  if parts[1] then
    line, parts = table.concat(parts) .. line, {}
  end
  self.parts, self.at, self.size = parts, stop + 1, 0
  return (line:gsub("\r$", ""))
end

local function read_line(self)
  while not self.failure do
    local line = take_line(self)
    if line then return line end
    local chunk = not self.failure and read(self)
    if not chunk then break end
    self.chunk, self.at = chunk, 1
  end
  local rest = take_rest(self)
  return rest and (rest:gsub("\r$", ""))
end

--- Iterates over its lines, without their ends.
---@return fun(): string?
function Response:lines()
  return function() return read_line(self) end
end

--- Why the iteration ended.
---@return true? ok the answer was complete
---@return string? message
---@return string? code "ECANCELED" once closed
function Response:result()
  if self.failure then return nil, self.failure.message, self.failure.code end
  return self.is_finished or nil
end

--- Closes it. Whoever reads gets nothing more.
function Response:close()
  if not self.is_finished then self.failure = self.failure or { message = "closed", code = "ECANCELED" } end
  self.transfer:close()
end

return M
