-- SPDX-License-Identifier: MIT
--- The library `io` as a provider sees it. Invariant: nothing in it waits for another process or a terminal, for that would
--- hold up the engine; what is written to the standard files goes to the log.
local copy = require("peerage.copy")
local fs = require("engine.fs")
local log = require("engine.log")

local M = {}

local LONGEST_LINE = 8192 -- bytes that may wait for the end of their line
local EINVAL, EMFILE = 22, 24
local MOST_OPEN = 64 -- files of one environment: the process may have as few as 1,024 descriptors
local HARMLESS = {
  ["/dev/null"] = true, ["/dev/random"] = true, ["/dev/urandom"] = true,
}

--- Raises where a program is to be run by `io` or `os`.
---@param name string of the function
---@return function
function M.refuse_program(name)
  return function() error(name .. " would hold up the engine: use engine.process.run{ … }", 2) end
end

-- Why a path is not opened: whoever opens a fifo or a terminal may wait for ever.
local function refusal(path)
  if type(path) ~= "string" or path:find("%z") or HARMLESS[path] then return nil end
  local kind = fs.type(path)
  if not kind or kind == "file" or kind == "directory" then return nil end
  return ("%s: it is a %s, which would hold up the engine: expected a regular file"):format(path, kind)
end

-- Takes those that are closed out, and counts the others.
local function count(opened)
  local number = 0
  for file in next, opened do
    if io.type(file) == "file" then number = number + 1 else opened[file] = nil end
  end
  return number
end

local function is_full(opened)
  if count(opened) < MOST_OPEN then return false end
  collectgarbage() -- closes those that nobody has any more
  return count(opened) >= MOST_OPEN
end

-- Calls `opener(...)` unless too many files are open; `opened` is a weak set of them.
local function open_counted(opened, opener, ...)
  if is_full(opened) then return nil, ("too many open files of this provider: %d"):format(MOST_OPEN), EMFILE end
  local file, message, code = opener(...)
  if file then opened[file] = true end
  return file, message, code
end

local function hand_on(file, line, ...)
  if line == nil then file:close() end
  return line, ...
end

local function check_text(value, position)
  if type(value) == "string" or type(value) == "number" then return tostring(value) end
  error(("bad argument #%d to 'write' (string expected, got %s)"):format(position, type(value)), 3)
end

-- Looks like a file to those who write to it.
local function new_log_file()
  local file, line = {}, ""

  function file.write(_, ...)
    for i = 1, select("#", ...) do line = line .. check_text(select(i, ...), i) end
    for each in line:gmatch("([^\n]*)\n") do log.info(each) end
    line = line:match("[^\n]*$")
    if #line > LONGEST_LINE then file:flush() end
    return file
  end

  function file.flush()
    if line ~= "" then log.info(line) end
    line = ""
    return true
  end

  function file.close() return nil, "cannot close standard file" end
  function file.setvbuf() return true end
  function file.seek() return nil, "the log has no positions" end
  function file.read() return nil, "the log cannot be read" end
  function file.lines() error("the log cannot be read", 2) end
  return file
end

local function no_input() error("a provider has no standard input: name a file", 3) end

--- A library of its own, with a default input and output that are nobody else's.
---@return table
function M.new()
  local library = copy(io)
  library.stdout, library.stderr, library.stdin = new_log_file(), new_log_file(), nil
  local input, output = nil, library.stdout
  local opened = setmetatable({}, { __mode = "k" })

  function library.open(path, mode)
    local message = refusal(path)
    if message then return nil, message, EINVAL end
    return open_counted(opened, io.open, path, mode)
  end
  local open = library.open

  function library.tmpfile() return open_counted(opened, io.tmpfile) end

  function library.type(value)
    if value ~= nil and (value == library.stdout or value == library.stderr) then return "file" end
    return io.type(value)
  end

  local function open_default(file, mode)
    if library.type(file) then return file end
    if type(file) ~= "string" then error("expected a file or its name, found a " .. type(file), 3) end
    local found, message = open(file, mode)
    if not found then error(message, 3) end
    return found
  end

  function library.input(file)
    if file ~= nil then input = open_default(file, "r") end
    return input
  end

  function library.output(file)
    if file ~= nil then output = open_default(file, "w") end
    return output
  end

  function library.lines(path, ...)
    if path == nil then return (input or no_input()):lines(...) end
    local file, message = open(path)
    if not file then error(message, 2) end
    local next_line = file:lines(...)
    return function()
      if io.type(file) ~= "file" then error("file is already closed", 2) end
      return hand_on(file, next_line())
    end
  end

  function library.read(...) return (input or no_input()):read(...) end
  function library.write(...) return output:write(...) end
  function library.flush() return output:flush() end
  function library.close(file) return (file or output):close() end
  library.popen = M.refuse_program("io.popen")
  return library
end

return M
