-- SPDX-License-Identifier: MIT
--- Finds the nodes that an HTTP API lists. Invariant: only a list that was understood is an answer; a status that is no
--- success, and a body that is no list, say that it could not find out.
local formats = require("peerage.formats")
local http = require("engine.http")

local M = {}

local MOST_REASON = 200 -- bytes of a failure's body that a message has
local PASSED_ON = {
  "url", "method", "body", "timeout", "connect_timeout", "max_body", "ca", "ca_file", "client_cert", "client_key", "verify",
  "unix_socket", "bearer_file", "follow",
}

M.options = formats.options("json")
local options = M.options
options.url = { type = "string", required = true, min = 1, doc = "http:// or https://" }
options.method = { type = "string", default = "GET", doc = "the method" }
options.headers = { type = "table", secret = true, doc = "header fields: names and values" }
options.body = { type = "string", secret = true, doc = "what is sent" }
options.timeout = { type = "number", min = 0.001, max = 86400, doc = "seconds for all; 10, or most of a poll's, without" }
options.connect_timeout = { type = "number", min = 0.001, max = 86400, doc = "seconds for a connection; 5 without" }
options.max_body = { type = "integer", min = 1, max = 2 ^ 30, doc = "bytes of an answer; 8 MB without" }
options.ca = { type = "string", min = 1, doc = "certificates to trust instead of the system's, PEM" }
options.ca_file = { type = "path", doc = "the same in a file" }
options.client_cert = { type = "path", doc = "our certificate, PEM" }
options.client_key = { type = "path", doc = "its key, PEM" }
options.verify = { type = "boolean", default = true, doc = "false trusts any server" }
options.unix_socket = { type = "path", doc = "a socket to connect to instead of the URL's host" }
options.bearer_file = { type = "path", doc = "a file with a token, read anew each time" }
options.follow = { type = { "boolean", "integer" }, default = true, min = 0, max = 20, doc = "redirects to follow" }

local function check_url(url)
  if url:find("[^\33-\126]") then return nil, "url: expected printable ASCII without blanks" end
  if url:find("^https?://[^/?#]") then return true end
  return nil, "url: expected one that begins with http:// or https:// and a host"
end

local function check_headers(headers)
  for name, value in next, headers or {} do
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
      return nil, "headers: expected names as keys, such as [\"X-Token\"]"
    end
    if type(value) ~= "number" and (type(value) ~= "string" or value:find("[%z\1-\8\10-\31\127]")) then
      return nil, ("headers: %s: expected a number, or a string without control characters"):format(name)
    end
  end
  return true
end

--- Whether the options go together.
function M.check(given)
  local ok, message = check_url(given.url)
  if ok then ok, message = check_headers(given.headers) end
  if not ok then return nil, message end
  if not given.method:find("^%u+$") then return nil, "method: expected one such as GET" end
  if given.ca and given.ca_file then return nil, "expected ca or ca_file, found both" end
  if given.client_key and not given.client_cert then return nil, "client_key: expected client_cert beside it" end
  return formats.check(given.format, given)
end

-- Neither user info nor the query, which may be secrets.
local function place(url) return (url:gsub("//[^/?#]*@", "//"):gsub("[?#].*", "")) end

local function fields_of(given)
  local fields = { Accept = given.format ~= "lines" and "application/json" or nil }
  for name, value in next, given.headers or {} do
    if name:lower() == "accept" then fields.Accept = nil end
    fields[name] = value
  end
  return fields
end

local function request_of(self)
  local request = { headers = fields_of(self.options), if_none_match = self.known and self.known.etag }
  for _, name in ipairs(PASSED_ON) do request[name] = self.options[name] end
  return request
end

-- The status, and what the server says of it.
local function describe_status(answer)
  local said = answer.body:match("^%s*([^\r\n]*)"):sub(1, MOST_REASON)
  return ("status %d%s"):format(answer.status, said ~= "" and ": " .. said or "")
end

---@param self peerage.ProviderSelf
---@return peerage.Node[]|nil nodes, string? message
function M.poll(self)
  local answer, message = http.request(request_of(self))
  if not answer then return nil, message end
  local known = self.known
  if answer.status == 304 and known then return known.nodes, known.message end
  if answer.status < 200 or answer.status > 299 then
    return nil, ("%s: %s"):format(place(self.options.url), describe_status(answer))
  end
  local nodes, wrong = formats.read(self.options.format, answer.body, self.options)
  wrong = wrong and ("%s: %s"):format(place(self.options.url), wrong)
  self.known = nodes and answer.headers.etag and { etag = answer.headers.etag, nodes = nodes, message = wrong } or nil
  return nodes, wrong
end

return M
