-- SPDX-License-Identifier: MIT
--- `string.gsub` for everybody, in the place of the original: each call of it inside its own replacement takes 10 kB of the
--- process's stack, of which LuaJIT does not see the end. Invariant: no more than DEEPEST are inside each other.
local gsub = string.gsub

local DEEPEST = 100

local depth = 0

local function leave(ok, ...)
  depth = depth - 1
  if ok then return ... end
  local message = ...
  if type(message) == "string" then message = gsub(message, "^bad argument #(%d+) to '%?'", "bad argument #%1 to 'gsub'") end
  error(message, 0)
end

---@param replacement string|number|table|function what may call gsub again is counted
return function(text, pattern, replacement, ...)
  if type(replacement) ~= "function" and type(replacement) ~= "table" then return gsub(text, pattern, replacement, ...) end
  if depth == DEEPEST then error(("stack overflow: more than %d gsub inside each other"):format(DEEPEST), 2) end
  depth = depth + 1
  return leave(pcall(gsub, text, pattern, replacement, ...))
end
