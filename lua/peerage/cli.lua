-- SPDX-License-Identifier: MIT
--- The command line.
local M = {}

local function run_script(path, ...)
  _G.arg = { [0] = path, ... }
  local chunk, message = loadfile(path)
  if not chunk then
    io.stderr:write("peerage-lua: ", message, "\n")
    return 1
  end
  local result = chunk(...)
  return type(result) == "number" and result or 0
end

function M.main(command, ...)
  if command == "run" then return run_script(...) end
  return 64
end

return M
