-- SPDX-License-Identifier: MIT
--- Bounds for calls that take the process's own stack, of which LuaJIT does not see the end: string.gsub with a replacement
--- that calls gsub (10 kB each), a coroutine that resumes another. Invariant: no more than DEEPEST are inside each other.
--- It counts right because code below engine/ is never interrupted, and nothing can wait inside what is counted.
local gsub, wrap, resume = string.gsub, coroutine.wrap, coroutine.resume

local M = {}

local DEEPEST = 150

local depth = 0

local function leave(ok, ...)
  depth = depth - 1
  if ok then return ... end
  local message = ...
  if type(message) == "string" then message = gsub(message, "^bad argument #(%d+) to '%?'", "bad argument #%1 to 'gsub'") end
  error(message, 0)
end

local function enter(fn, ...)
  if depth == DEEPEST then
    error(("stack overflow: more than %d gsub and coroutines inside each other"):format(DEEPEST), 0)
  end
  depth = depth + 1
  return leave(pcall(fn, ...))
end

--- As string.gsub; only a replacement that may call something is counted.
function M.gsub(text, pattern, replacement, ...)
  if type(replacement) ~= "function" and type(replacement) ~= "table" then return gsub(text, pattern, replacement, ...) end
  return enter(gsub, text, pattern, replacement, ...)
end

--- As coroutine.wrap.
function M.wrap(fn)
  local continue = wrap(fn)
  return function(...) return enter(continue, ...) end
end

--- As coroutine.resume; too deep is an error of the coroutine.
function M.resume(thread, ...)
  if depth == DEEPEST then return pcall(enter) end
  return enter(resume, thread, ...)
end

return M
