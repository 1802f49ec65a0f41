-- SPDX-License-Identifier: MIT
--- Why a program cannot be run that seems to be there: what the system says of that is the same for three reasons.
local fs = require("engine.fs")

local M = {}

--- The message of engine.process, with what may help. Waits.
---@param message string
---@param code string
---@param options { command: (string|number)[], cwd: string }
---@return string
function M.explain(message, code, options)
  local name = tostring(options.command[1])
  local is_path = name:find("/", 1, true)
  local path = name:sub(1, 1) == "/" and name or options.cwd .. "/" .. name
  if code ~= "ENOENT" or not fs.stat(path) then return message end
  if is_path then return message .. ": the file is there, but not the interpreter that it names" end
  return ("%s: did you mean ./%s?"):format(message, name)
end

return M
