-- SPDX-License-Identifier: MIT
--- Lua source files: read and compiled, with messages that begin with the whole path.
local describe = require("peerage.describe")
local fs = require("engine.fs")

local M = {}

local LARGEST = 4 * 1024 * 1024 -- bytes; a module is some pages
local PIECE = 16 * 1024 -- bytes; LuaJIT keeps a buffer for the largest read there was, and counts it as memory in use
local ENOENT, ENOTDIR = 2, 20

-- All of a file, or more than LARGEST.
local function read_all(file)
  local pieces, size = {}, 0
  while size <= LARGEST do
    local piece, message, code = file:read(PIECE)
    if message then return nil, message, code end
    if not piece then break end
    pieces[#pieces + 1], size = piece, size + #piece
  end
  return table.concat(pieces)
end

local function cannot_read(path, reason, is_missing)
  return nil, ("%s: cannot be read: %s"):format(describe.path(path), reason), is_missing or false
end

-- Whoever opens a fifo or a terminal may wait for ever, and some devices have no end: so it is asked first what it is.
local function refusal(path)
  if path:find("%z") then return "a path has no zero bytes" end
  local kind = fs.type(path)
  return kind and kind ~= "file" and ("it is a %s, expected a regular file"):format(kind)
end

--- Reads a file. Does not wait: it is needed where nothing may.
---@param path string
---@return string|nil text
---@return string? message
---@return boolean? is_missing whether there is no such file
function M.read(path)
  local reason, text = refusal(path), nil
  if reason then return cannot_read(path, reason) end
  local file, message, code = io.open(path, "rb")
  if file then
    text, message, code = read_all(file)
    file:close()
  end
  if text and #text > LARGEST then return nil, describe.path(path) .. ": larger than 4 MB: expected a Lua file" end
  if text then return text end
  return cannot_read(path, (message:gsub("^.*: ", ""):gsub("^%u", string.lower)), code == ENOENT or code == ENOTDIR)
end

--- Compiles a text; compiled code is refused.
---@param text string
---@param path string
---@param environment table its globals
---@return function|nil chunk
---@return string? message with path and line
function M.compile(text, path, environment)
  if text:byte() == 27 then return nil, path .. ": expected a Lua text, found compiled code" end
  local chunk, message = loadstring(text, "@" .. path)
  if not chunk then return nil, M.locate(message, path) end
  return setfenv(chunk, environment)
end

--- What a file raised, beginning with its path: LuaJIT cuts a long one to "...end/of/path:3: text".
---@param value any
---@param path string
---@return string
function M.locate(value, path)
  if type(value) ~= "string" then return ("%s: raised %s instead of a message"):format(path, describe.value(value)) end
  local text = describe.message(value)
  if text:sub(1, #path + 1) == path .. ":" then return text end
  local tail, rest = text:match("^%.%.%.(.-)(:%d+: .*)$")
  if tail and path:sub(-#tail) == tail then return path .. rest end
  return ("%s: %s"):format(path, text)
end

return M
