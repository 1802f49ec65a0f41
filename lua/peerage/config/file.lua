-- SPDX-License-Identifier: MIT
-- The config as a file: runs its text in an environment of its own, and finds paths from its folder.
-- Invariant: each message begins with the file's path as it was given.
local deferred = require("peerage.deferred")
local describe = require("peerage.describe")
local source_file = require("peerage.source")

local M = {}

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
  local chunk, message = source_file.compile(source, path, environment)
  if not chunk then return nil, message end
  local ok, values = pcall(chunk)
  if not ok then return nil, source_file.locate(values, path) end
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
  path = string.gsub(path, "^%./+", "")
  if string.sub(path, 1, 1) == "/" or folder == "." then return path end
  return (folder == "/" and "" or folder) .. "/" .. path
end

return M
