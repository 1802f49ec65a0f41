-- SPDX-License-Identifier: MIT
--- The globals that a provider, a connector or a config sees: copies, so that what one breaks stays its own accident.
--- It contains accidents; it is no security boundary.
local M = {}

local BASE = {
  "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawset", "select",
  "setmetatable", "tonumber", "tostring", "type", "unpack", "_VERSION",
}
local LIBRARIES = { "bit", "coroutine", "io", "math", "os", "string", "table" }
local REMOVED = { os = { "exit" }, string = { "dump" } }

-- Method calls on strings go through the one string metatable: nobody may reach into it.
getmetatable("").__metatable = "string"

local function copy(library)
  local result = {}
  for key, value in next, library do result[key] = value end
  return result
end

-- An error handler that loops could not be interrupted: it runs after the protected call instead of inside.
local function xpcall_after(fn, handler, ...)
  local function finish(ok, ...)
    if ok then return true, ... end
    return false, handler((...))
  end
  return finish(pcall(fn, ...))
end

local function text_loader(environment)
  local function compile(text, name) return loadstring(text, name) end

  local function load_text(source, name, mode, env)
    if type(source) == "function" then
      local parts = {}
      for part in source do
        if part == "" then break end
        parts[#parts + 1] = part
      end
      source = table.concat(parts)
    end
    if type(source) ~= "string" then error("load: expected a string or a function, found a " .. type(source), 2) end
    if mode and not mode:find("t") or source:byte(1) == 27 then return nil, "load: only text may be loaded" end
    local chunk, message = compile(source, name or "=(load)")
    if not chunk then return nil, message end
    return setfenv(chunk, env or environment)
  end

  local function load_file(path)
    local file, message = io.open(path, "rb")
    if not file then return nil, message end
    local text = file:read("*a")
    file:close()
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
---@param extra table<string, any> more globals: `require`, `print`, `system` …
---@return table
function M.new(extra)
  local environment = {}
  for _, name in ipairs(BASE) do environment[name] = _G[name] end
  for _, name in ipairs(LIBRARIES) do
    environment[name] = copy(_G[name])
    for _, removed in ipairs(REMOVED[name] or {}) do environment[name][removed] = nil end
  end
  environment.xpcall = xpcall_after
  environment.collectgarbage = function(option)
    if option ~= "count" then error('collectgarbage: only "count" is open to providers', 2) end
    return collectgarbage("count")
  end
  environment._G = environment
  text_loader(environment)
  for key, value in next, extra do environment[key] = value end
  return environment
end

return M
