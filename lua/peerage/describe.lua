-- SPDX-License-Identifier: MIT
-- Values as short phrases for messages: escaped, cut, and never through a metamethod of the value.
local null = require("engine.json.kinds").null

local M = {}

local LONGEST = 60 -- bytes of a string that are shown
local LONGEST_PATH = 255 -- bytes of a path; its end says most
local LONGEST_MESSAGE = 2000 -- bytes of what others have to say
local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }
local PHRASES = {
  ["nil"] = "nothing", table = "a table", ["function"] = "a function",
  userdata = "a userdata", thread = "a coroutine", cdata = "a cdata",
}

local function escape(character)
  return ESCAPES[character] or string.format("\\%03d", string.byte(character))
end

--- A string in quotes, printable ASCII on one line, cut after 60 bytes.
---@param text string
---@return string
function M.text(text)
  local shown = #text > LONGEST and string.sub(text, 1, LONGEST - 3) or text
  local quoted = string.gsub(shown, '[%c"\\\128-\255]', escape)
  return '"' .. quoted .. '"' .. (#shown < #text and "…" or "")
end

--- A path as it stands, without control bytes; of a long one the end.
---@param path string
---@return string
function M.path(path)
  local shown = #path > LONGEST_PATH and "…" .. string.sub(path, -LONGEST_PATH) or path
  return (string.gsub(shown, "%c", escape))
end

--- What a provider, a connector or a hook has to say, cut after 2,000 bytes: it is shown, and kept for the report.
---@param text string
---@return string
function M.message(text)
  return #text > LONGEST_MESSAGE and string.sub(text, 1, LONGEST_MESSAGE) .. "…" or text
end

--- A value as it would be written: `42`, `"x"`, `true`; what cannot be written by its type: `a table`.
---@param value any
---@return string
function M.literal(value)
  local kind = type(value)
  if kind == "string" then return M.text(value) end
  if kind == "number" then return string.format("%.14g", value) end
  if kind == "boolean" then return value and "true" or "false" end
  if rawequal(value, null) then return "null" end
  return PHRASES[kind] or kind
end

--- A value with its type: `a number (42)`, `"x"`, `a boolean (true)`, `a table`, `nothing`.
---@param value any
---@return string
function M.value(value)
  local kind = type(value)
  if kind == "number" or kind == "boolean" then
    return "a " .. kind .. " (" .. M.literal(value) .. ")"
  end
  return M.literal(value)
end

--- A table key: `port`, `[3]`, `["two words"]`.
---@param key any
---@return string
function M.key(key)
  if type(key) == "string" and #key <= LONGEST and string.find(key, "^[%a_][%w_]*$") then return key end
  return "[" .. M.literal(key) .. "]"
end

return M
