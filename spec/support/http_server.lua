-- SPDX-License-Identifier: MIT
--- A scripted HTTP server on loopback, for answers that no real server gives.
local task = require("engine.task")
local tcp = require("engine.tcp")

local M = {}
M.__index = M

--- An answer with its length told.
---@param body? string
---@param fields? string[] more header lines
---@param status? string default "200 OK"
function M.answer(body, fields, status)
  local lines = { "HTTP/1.1 " .. (status or "200 OK"), "Content-Length: " .. #(body or "") }
  for _, field in ipairs(fields or {}) do lines[#lines + 1] = field end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

-- The head and the body of the next request; nil when there is none.
local function read_request(stream, rest, is_head_only)
  while not rest:find("\r\n\r\n", 1, true) do
    local data = stream:read()
    if not data then return nil end
    rest = rest .. data
  end
  local head, body = rest:match("^(.-\r\n)\r\n(.*)$")
  local request = { head = head, method = head:match("^%S+"), path = head:match("^%S+ (%S+)"), headers = {} }
  for name, value in head:gmatch("\n([^:\r\n]+): *([^\r\n]*)") do request.headers[name:lower()] = value end
  local size = is_head_only and 0 or tonumber(request.headers["content-length"] or 0)
  while #body < size do body = body .. assert(stream:read()) end
  request.body, rest = body:sub(1, size), body:sub(size + 1)
  return request, rest
end

function M:serve(stream)
  local request, rest = read_request(stream, "", self.reads_heads_only)
  while request do
    self.requests[#self.requests + 1] = request
    local answer = self.script(request, stream)
    if not answer then break end
    stream:write(answer)
    request, rest = read_request(stream, rest, self.reads_heads_only)
  end
  stream:close()
  self.closed:push(true)
end

---@class spec.HttpRequest
---@field head string
---@field method string
---@field path string
---@field headers table<string, string> by lower-case name
---@field body string

--- Starts a server. With its field `reads_heads_only` it reads no bodies.
---@param script fun(request: spec.HttpRequest, stream: engine.tcp.Stream): string?
---  gives what is sent; after nil the connection is closed
---@param options? { host?: string, path?: string }
function M.start(script, options)
  options = options or {}
  local where = options.path and { path = options.path } or { host = options.host or "127.0.0.1" }
  local self = setmetatable({ script = script, requests = {}, streams = {}, tasks = {}, closed = task.queue() }, M)
  self.listener = assert(tcp.listen(where))
  self.port = select(2, self.listener:address())
  self.url = ("http://%s:%s"):format(options.host == "::1" and "[::1]" or "127.0.0.1", tostring(self.port))
  self.tasks[1] = task.spawn(function()
    for stream in function() return (self.listener:accept()) end do
      self.streams[#self.streams + 1] = stream
      self.tasks[#self.tasks + 1] = task.spawn(self.serve, self, stream)
    end
  end)
  return self
end

--- Waits until the client has closed a connection.
function M:await_closed() assert(task.timeout(5, self.closed.pop, self.closed)) end

function M:stop()
  self.listener:close()
  for _, each in ipairs(self.tasks) do each:cancel() end
  for _, each in ipairs(self.streams) do each:close() end
end

return M
