-- SPDX-License-Identifier: MIT
-- The config as a file: reads its text, runs it in an environment of its own, and finds paths from its folder.
-- Invariant: each message begins with the file's path as it was given.
local deferred = require("peerage.deferred")
local describe = require("peerage.describe")

local M = {}

local LARGEST = 4 * 1024 * 1024 -- bytes; a config is a page, and /dev/zero has no end

--- The system's reason, without the path, in our lower case.
local function reason(message, path)
  local text = tostring(message)
  if string.sub(text, 1, #path + 2) == path .. ": " then text = string.sub(text, #path + 3) end
  return string.lower(string.sub(text, 1, 1)) .. string.sub(text, 2)
end

--- Reads the text of a config.
---@param path string
---@return string|nil source
---@return string? message
function M.read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, path .. ": cannot be opened: " .. reason(message, path) end
  local source
  source, message = file:read(LARGEST + 1)
  file:close()
  if not source and message then return nil, path .. ": cannot be read: " .. reason(message, path) end
  if source and #source > LARGEST then return nil, path .. ": larger than 4 MB: expected a Lua file" end
  return source or ""
end

--- LuaJIT cuts a long path in its messages to "...end/of/path:3: text".
local function locate(message, path)
  if type(message) ~= "string" then return path .. ": raised " .. describe.value(message) end
  if string.sub(message, 1, #path + 1) == path .. ":" then return message end
  local tail, rest = string.match(message, "^%.%.%.(.-)(:%d+: .*)$")
  if tail and string.sub(path, -#tail) == tail then return path .. rest end
  return path .. ": " .. message
end

--- An environment that reads the globals through and keeps its own assignments.
local function plain_environment()
  local environment = setmetatable({}, { __index = _G })
  environment._G = environment
  return environment
end

--- Runs a config's text. `system`, `env`, `apply` and a `tonumber` that refuses deferred values are put in its environment.
---@param source string
---@param path string
---@param environment? table its globals; the usual ones, read through, unless given
---@return table|nil values what it returned, deferred values unresolved
---@return string? message
function M.run(source, path, environment)
  environment = environment or plain_environment()
  for _, name in ipairs({ "system", "env", "apply", "tonumber" }) do rawset(environment, name, deferred[name]) end
  if string.byte(source) == 27 then return nil, path .. ": expected a Lua text, found compiled code" end
  local chunk, message = load(source, "@" .. path, "t", environment)
  if not chunk then return nil, locate(message, path) end
  local ok, values = pcall(chunk)
  if not ok then return nil, locate(values, path) end
  if type(values) == "table" then return values end
  return nil, path .. ": expected a table, found " .. describe.value(values) .. ": did you forget `return { … }`?"
end

--- The folder of a file; "." where the path has none.
---@param path string
---@return string
function M.folder(path)
  local folder = string.match(path, "^(.*)/[^/]*$")
  if folder == "" then return "/" end
  return folder or "."
end

--- A path as seen from a folder.
---@param folder string
---@param path string
---@return string
function M.join(folder, path)
  if string.sub(path, 1, 1) == "/" or folder == "." then return path end
  return (folder == "/" and "" or folder) .. "/" .. path
end

return M
