-- SPDX-License-Identifier: MIT
--- Lines of what a program prints. Invariant: no more is held of a line than LONGEST and one read: the program is ended.
local concat, find, match, sub = table.concat, string.find, string.match, string.sub

local M = {}

local LONGEST = 8 * 1024 * 1024 -- bytes

local function is_too_long(process, size)
  if size <= LONGEST then return false end
  process:fail(" printed a line of more than 8 MB", "EMSGSIZE")
  return true
end

--- Iterates over all of them, without their ends.
---@param process engine.process.Process
---@return fun(): string?
function M.each(process)
  local chunk, at, parts, size = "", 1, {}, 0
  local function finish_line(rest)
    local line = parts[1] and concat(parts) .. rest or rest
    if parts[1] then parts, size = {}, 0 end
    return line
  end
  return function()
    while chunk do
      local stop = find(chunk, "\n", at, true)
      if stop then
        local line = finish_line(sub(chunk, at, stop - 1))
        at = stop + 1
        return line
      end
      size = size + #chunk - at + 1
      if is_too_long(process, size) then return nil end
      if at <= #chunk then parts[#parts + 1] = sub(chunk, at) end
      chunk, at = process.stdout:read(), 1
    end
    process.stdout:close()
    if size > 0 then return finish_line("") end
  end
end

-- The last line that is not blank, without blanks at its end. Linear: each pattern begins at one byte only.
local function last_of(text)
  local stop = match(text, "^.*%S()")
  if not stop then return nil end
  text = sub(text, 1, stop - 1)
  return sub(text, match(text, "^.*\n()") or 1)
end

--- Iterates over the newest line that came since the one before, without blanks at its end; blank lines do not count.
---@param process engine.process.Process
---@return fun(): string?
function M.newest(process)
  local parts, size = {}, 0 -- of a line that has no end yet
  local function finish_line(rest)
    parts[#parts + 1] = rest
    local line = last_of(concat(parts))
    parts, size = {}, 0
    return line
  end
  return function()
    local line
    repeat
      local chunk = process.stdout:read()
      if not chunk then
        process.stdout:close()
        return finish_line("")
      end
      local stop = match(chunk, "^.*()\n")
      if stop then
        line = finish_line(sub(chunk, 1, stop - 1))
        chunk = sub(chunk, stop + 1)
      end
      size = size + #chunk
      if is_too_long(process, size) then
        process.stdout:close()
        parts, size = {}, 0
        return nil
      end
      parts[#parts + 1] = chunk
    until line
    return line
  end
end

return M
