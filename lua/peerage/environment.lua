-- SPDX-License-Identifier: MIT
--- The globals that a provider, a connector or a config sees: copies, so that what one breaks stays its own accident.
--- It contains accidents; it is no security boundary.
local copy = require("peerage.copy")
local log = require("engine.log")

local M = {}

local BASE = {
  "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawset", "select",
  "setmetatable", "tonumber", "tostring", "type", "unpack", "_VERSION",
}

--- The libraries that an environment has copies of.
M.LIBRARIES = { "bit", "coroutine", "io", "math", "os", "string", "table" }

local REMOVED = { os = { "exit" }, string = { "dump" } }

-- Methods of strings and files go through one metatable each: nobody may reach into it.
getmetatable("").__metatable = "string"
getmetatable(io.stdout).__metatable = "file"

local function print_to_log(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  log.info(table.concat(parts, "\t"))
end

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

local function joined(source)
  local parts = {}
  for part in source do
    if part == "" then break end
    parts[#parts + 1] = part
  end
  return table.concat(parts)
end

local function add_loaders(environment)
  local function load_text(source, name, mode, env)
    if type(source) == "function" then source = joined(source) end
    if type(source) ~= "string" then error("load: expected a string or a function, found a " .. type(source), 2) end
    if mode and not mode:find("t") or source:byte() == 27 then return nil, "load: only text may be loaded" end
    local chunk, message = loadstring(source, name or "=(load)")
    if not chunk then return nil, message end
    return setfenv(chunk, env or environment)
  end

  local function load_file(path)
    local file, message = io.open(path, "rb")
    if not file then return nil, message end
    local text
    text, message = file:read("*a")
    file:close()
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
  environment._G = environment
  add_loaders(environment)
  for key, value in next, extra or {} do environment[key] = value end
  return environment
end

return M
