-- SPDX-License-Identifier: MIT
--- Finds the nodes that an HTTP API lists. Invariant: only a list that is whole and was understood is an answer; another
--- status, and a body that is no list, say that it could not find out.
local formats = require("peerage.formats")
local http = require("engine.http")

local M = {}

local ETAG = '^W?/?"[!\35-\126\128-\255]*"$' -- RFC 9110 section 8.8.3
local BARE_ETAG = "^[%w._:+/=-]+$" -- is none, but who sends it understands it; others might mean anything, as "*" does

local MOST_REASON = 200 -- bytes of a failure's body that a message has
local MOST_SEARCHED = 16 * 1024 -- bytes of it in which they are looked for
local IS_WHOLE = { [200] = true, [203] = true } -- RFC 9110 section 15.3: 206 is a part, others are no answer to the question
local IS_JSON = { json = true, prometheus = true } -- formats
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

local function has_header(given, wanted)
  for name in next, given.headers or {} do
    if type(name) == "string" and name:lower() == wanted then return true end
  end
  return false
end

local function fields_of(given)
  local fields = {}
  for name, value in next, given.headers or {} do fields[name] = value end
  if IS_JSON[given.format] and not has_header(given, "accept") then fields.Accept = "application/json" end
  return fields
end

local function request_of(given)
  local request = { headers = fields_of(given) }
  for _, name in ipairs(PASSED_ON) do request[name] = given[name] end
  return request
end

--- Whether the options go together.
function M.check(given)
  local ok, message = http.check(request_of(given))
  if not ok then return nil, message end
  if has_header(given, "if-none-match") then return nil, 'header "If-None-Match": expected none, it is sent by itself' end
  return formats.check(given.format, given)
end

local function find_title(html)
  local lower = html:lower()
  local opened = lower:find("<title", 1, true)
  local start = opened and lower:find(">", opened, true)
  local stop = start and lower:find("<", start, true)
  return stop and html:sub(start + 1, stop - 1) or ""
end

-- What the server says of a failure: the title of HTML, else the first line.
local function find_reason(answer)
  local body = answer.body:sub(1, MOST_SEARCHED)
  local is_html = (answer.headers["content-type"] or ""):lower():find("html", 1, true) or body:find("^%s*<")
  local said = is_html and find_title(body):gsub("%s+", " ") or body:match("^%s*([^\r\n]*)")
  return said:gsub("^ ", ""):gsub(" $", ""):sub(1, MOST_REASON)
end

-- Why an answer is none, whatever its body says; nil if it may be one.
local function find_problem(answer)
  local status = answer.status
  if status >= 200 and status <= 299 then
    if answer.body == "" then return ("the answer is empty (status %d)"):format(status) end
    return not IS_WHOLE[status] and ("status %d, expected 200"):format(status) or nil
  end
  local reason = find_reason(answer)
  return ("status %d%s"):format(status, reason ~= "" and ": " .. reason or "")
end

---@param self peerage.ProviderSelf
---@return peerage.Node[]|nil nodes, string? message
function M.poll(self)
  local given, known = self.options, self.known
  local request = request_of(given)
  request.if_none_match = known and known.etag
  local answer, message = http.request(request)
  if answer and answer.status == 304 and known and answer.label ~= known.label then -- it speaks of a tag of its own
    request.if_none_match = nil
    answer, message = http.request(request)
  end
  if not answer then return nil, message end
  if answer.status == 304 and known then return known.nodes, known.message end
  local problem = find_problem(answer)
  if problem then return nil, ("%s: %s"):format(answer.label, problem) end
  local nodes, wrong = formats.read(given.format, answer.body, given)
  wrong = wrong and ("%s: %s"):format(answer.label, wrong)
  local etag = answer.headers.etag
  local is_kept = given.method == "GET" and nodes and etag and (etag:find(ETAG) or etag:find(BARE_ETAG))
  self.known = is_kept and { etag = etag, label = answer.label, nodes = nodes, message = wrong } or nil
  return nodes, wrong
end

return M
