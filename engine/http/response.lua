-- SPDX-License-Identifier: MIT
--- An answer that is read as it comes, in chunks or in lines. While nobody reads, the server waits.
local find, sub = string.find, string.sub

local M = {}

---@class engine.http.Response
---@field status integer
---@field headers table<string, string>
---@field private transfer userdata
---@field private explain fun(...): string, string
---@field private max_line integer bytes
---@field private failure? { message: string, code: string }
---@field private is_finished? boolean
local Response = {}
local class = { __index = Response, __name = "http response" } -- apart: nobody gets at it by an object

--- Makes one of a transfer whose head has come. It is closed when nobody has it any more.
---@param transfer userdata
---@param answer { status: integer, headers: table<string, string> }
---@param explain fun(...): string, string message and code of what the transfer gave
---@param max_line integer bytes
---@return engine.http.Response
function M.new(transfer, answer, explain, max_line)
  return setmetatable({
    status = answer.status, headers = answer.headers, transfer = transfer, explain = explain, max_line = max_line,
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

--- Iterates over the body in pieces as they come.
---@return fun(): string?
function Response:chunks()
  return function() return read(self) end
end

--- Iterates over its lines, without their ends.
---@return fun(): string?
function Response:lines()
  local chunk, at, parts, size = "", 1, {}, 0
  local function finish_line(rest)
    local line = parts[1] and table.concat(parts) .. rest or rest
    if parts[1] then parts = {} end
    size = 0
    return (line:gsub("\r$", ""))
  end
  return function()
    while chunk do
      local stop = find(chunk, "\n", at, true)
      size = size + (stop or #chunk + 1) - at
      if size > self.max_line then
        return fail(self, self.explain(("a line of more than %d bytes came"):format(self.max_line), "EMSGSIZE"))
      end
      if stop then
        local line = finish_line(sub(chunk, at, stop - 1))
        at = stop + 1
        return line
      end
      if at <= #chunk then parts[#parts + 1] = sub(chunk, at) end
      chunk, at = read(self), 1
    end
    if size > 0 and not self.failure then return finish_line("") end
  end
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
function Response:close() self.transfer:close() end

return M
