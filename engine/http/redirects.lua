-- SPDX-License-Identifier: MIT
--- Where an answer sends us, and what of the request goes there. Pure but for the reading of the URL.
--- Invariant: credentials and what is sent are for one origin, and what was asked for by TLS is not asked for without.
local headers = require("engine.http.headers")
local urls = require("engine.http.url")

local M = {}

local CODES = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

--- Whether an answer is one that is to be followed.
---@return boolean
function M.is_one(status, fields) return CODES[status] and fields.location ~= nil end

-- RFC 9110 section 15.4: what was sent is sent again for 307 and 308 only; 301 and 302 as all clients take them.
local function takes_body(method, status)
  if status >= 307 then return true end
  return status ~= 303 and method ~= "POST"
end

-- Some write it as it is read.
local function percent(byte) return ("%%%02X"):format(byte:byte()) end

--- The next request. Message and code as everywhere.
---@param core table the C half
---@param request engine.http.Asked
---@param status integer
---@param location string
---@return engine.http.Asked? next, string? message, string? code
function M.next(core, request, status, location)
  local url, message, code = urls.parse(core, (location:gsub("[ \128-\255]", percent)), request.url.whole)
  if not url then return nil, "redirected to a " .. message, code == "EINVAL" and "EPROTO" or code end
  if request.url.scheme == "https" and url.scheme == "http" then
    return nil, ("redirected to %s, expected https"):format(url.label), "EPROTO"
  end
  local is_same = url.origin == request.url.origin
  if is_same and not url.user then urls.take_user(url, request.url) end
  local keeps = takes_body(request.method, status)
  if keeps and request.body and not is_same then
    return nil, ("redirected to %s with what was sent, which is for %s only"):format(url.label, request.url.origin), "EPROTO"
  end
  local method = (keeps or request.method == "HEAD") and request.method or "GET"
  return {
    url = url,
    method = method,
    body = keeps and request.body or nil,
    fields = is_same and request.fields or headers.harmless(request.fields),
    has_identity = request.has_identity and is_same,
  }
end

return M
