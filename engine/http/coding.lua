-- SPDX-License-Identifier: MIT
--- Content codings, RFC 9110 section 8.4: what answers are packed with. Invariant: an answer is unpacked whole, or not at all.
local trim = require("engine.trim")

local M = {}

--- What may be sent to us.
M.ACCEPTED = "gzip, deflate"

-- Some write "none" for nothing.
local KNOWN = { gzip = "gzip", ["x-gzip"] = "gzip", deflate = "deflate", identity = false, none = false }
local MOST = 3 -- one within another
local MOST_SHOWN = 60 -- bytes of a name
local BAD = 61 -- CURLE_BAD_CONTENT_ENCODING

-- In the order in which they were applied.
local function read(field)
  local codings = {}
  for part in field:gmatch("[^,]+") do
    local name = trim(part)
    local coding = name == "" and false or KNOWN[name:lower()]
    if coding == nil then
      return nil, ('packed with "%s", expected %s'):format(name:gsub("%c", "?"):sub(1, MOST_SHOWN), M.ACCEPTED:gsub(",", " or"))
    end
    if coding then codings[#codings + 1] = coding end
    if #codings > MOST then return nil, ("packed more than %d times"):format(MOST) end
  end
  return codings
end

--- Unpacks a body.
---@param core table the C half
---@param field? string the value of Content-Encoding
---@param body string
---@param most integer bytes
---@return string? body, integer? result libcurl's, string? text
function M.unpack(core, field, body, most)
  if not field or body == "" then return body end
  local codings, problem = read(field)
  if not codings then return nil, BAD, problem end
  for i = #codings, 1, -1 do
    local text, result, reason = core.unpack(body, most, codings[i] == "gzip")
    if not text then return nil, result, "cannot unpack the answer: " .. reason end
    body = text
  end
  return body
end

return M
