-- SPDX-License-Identifier: MIT
-- Runs a few lines of Lua in an engine that is alone in a new network namespace.
local busted = require("busted")

local function write_file(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

--- Skips the spec where namespaces are not allowed.
---@param setup string shell commands that come first; no single quotes
---@param lines string
---@return string output what was printed, and what went wrong
return function(setup, lines)
  local path = write_file(lines)
  local inner = ("%s; exec $ENGINE run %s"):format(setup, path)
  local pipe = assert(io.popen(("ENGINE=$(readlink /proc/$PPID/exe) exec unshare -rn sh -c '%s' 2>&1"):format(inner)))
  local output = pipe:read("*a")
  pipe:close()
  os.remove(path)
  if output:match("^unshare:") then busted.pending("network namespaces are not allowed here") end
  return (output:gsub("\n$", ""))
end
