-- SPDX-License-Identifier: MIT
--- The globals that a provider, a connector or a config sees: copies, so that what one breaks stays its own accident.
--- It contains accidents; it is no security boundary.
local copy = require("peerage.copy")
local files = require("peerage.environment.files")
local log = require("engine.log")
local nesting = require("engine.vm.nesting")
local source = require("peerage.source")

local M = {}

local BASE = {
  "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawset", "select", "tonumber", "tostring",
  "type", "unpack", "_VERSION",
}

--- The libraries that an environment has copies of.
M.LIBRARIES = { "bit", "coroutine", "io", "math", "os", "string", "table" }

-- A locale is the whole process's.
local REMOVED = { os = { "exit", "setlocale" }, string = { "dump" } }

-- Methods of strings and files go through one metatable each: nobody may reach into it, nor by `file.__index`.
local function methods_apart(metatable)
  local methods = {}
  for name, method in next, metatable do
    if not name:find("^__") then methods[name] = method end
  end
  return methods
end

local file_class = debug.getmetatable(io.stdout)
getmetatable("").__metatable = "string"
file_class.__index, file_class.__metatable = methods_apart(file_class), "file"
rawset(string, "gsub", nesting.gsub) -- also as the method that all strings have

local CLOSED = "closed" -- what is told of a metatable that is not the environment's own

local function print_to_log(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  log.info(table.concat(parts, "\t"))
end

-- There is one generator, which the engine has seeded from the system's.
local function leave_seeded() end

local function collectgarbage_count(option)
  if option ~= "count" then error('collectgarbage: only "count" is open to providers', 2) end
  return collectgarbage("count")
end

-- An error handler that loops could not be interrupted: it runs after the protected call instead of inside.
local function xpcall_after(fn, handler, ...)
  local function finish(ok, ...)
    if ok then return true, ... end
    return false, handler((...))
  end
  return finish(pcall(fn, ...))
end

-- It gives only metatables that were set with it: the classes of the engine, which all their objects share, stay whole.
local function new_metatable_functions()
  local own = setmetatable({}, { __mode = "k" })

  local function get(...)
    if select("#", ...) == 0 then error("bad argument #1 to 'getmetatable' (value expected)", 2) end
    local metatable = getmetatable((...))
    if type(metatable) ~= "table" or own[metatable] then return metatable end
    return CLOSED
  end

  local function set(...)
    local ok, result = pcall(setmetatable, ...)
    if not ok then error((result:gsub("'%?'", "'setmetatable'")), 2) end
    local metatable = select(2, ...)
    if metatable then own[metatable] = true end
    return result
  end

  return get, set
end

local function joined(reader)
  local parts = {}
  for part in reader do
    if part == "" then break end
    parts[#parts + 1] = part
  end
  return table.concat(parts)
end

local function add_loaders(environment)
  local function load_text(text, name, mode, env)
    if type(text) == "function" then text = joined(text) end
    if type(text) ~= "string" then error("load: expected a string or a function, found a " .. type(text), 2) end
    if mode and not mode:find("t") or text:byte() == 27 then return nil, "load: only text may be loaded" end
    local chunk, message = loadstring(text, name or "=(load)")
    if not chunk then return nil, message end
    return setfenv(chunk, env or environment)
  end

  local function load_file(path)
    local text, message = source.read(path)
    if not text then return nil, message end
    return load_text(text, "@" .. path)
  end

  environment.load, environment.loadstring, environment.loadfile = load_text, load_text, load_file
  environment.dofile = function(path)
    local chunk, message = load_file(path)
    if not chunk then error(message, 2) end
    return chunk()
  end
end

--- A new environment. `print` writes to the log, for stdout belongs to the answer of --json.
---@param extra table<string, any>|nil more globals
---@return table
function M.new(extra)
  local environment = {
    print = print_to_log, xpcall = xpcall_after, collectgarbage = collectgarbage_count,
  }
  for _, name in ipairs(BASE) do environment[name] = _G[name] end
  for _, name in ipairs(M.LIBRARIES) do
    environment[name] = copy(_G[name])
    for _, removed in ipairs(REMOVED[name] or {}) do environment[name][removed] = nil end
  end
  environment.io, environment.os.execute = files.new(), files.refuse_program("os.execute")
  environment.math.randomseed = leave_seeded
  environment.coroutine.wrap, environment.coroutine.resume = nesting.wrap, nesting.resume
  environment.getmetatable, environment.setmetatable = new_metatable_functions()
  environment._G = environment
  add_loaders(environment)
  for key, value in next, extra or {} do environment[key] = value end
  return environment
end

return M
