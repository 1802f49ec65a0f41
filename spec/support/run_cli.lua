-- SPDX-License-Identifier: MIT
--- Runs peerage-lua to its end.
local Daemon = require("support.daemon")
local process = require("engine.process")

--- Waits.
---@param arguments string[]
---@param options { cwd: string?, env: table<string, string>?, timeout: number? }|nil
---@return { code: integer, stdout: string, stderr: string }
return function(arguments, options)
  local command = { Daemon.binary() }
  for _, argument in ipairs(arguments) do command[#command + 1] = argument end
  for key, value in pairs(options or {}) do command[key] = value end
  return assert(process.run(command))
end
