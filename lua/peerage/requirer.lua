-- SPDX-License-Identifier: MIT
--- `require` as one provider sees it: the engine's modules, the files beside it, then the system's Lua path.
--- Invariant: what it gives is the provider's own, so no other sees what this one does to it.
local copy = require("peerage.copy")
local deep_copy = require("peerage.deep_copy")
local engine = require("engine")
local environment = require("peerage.environment")
local loading = require("engine.vm.loading")
local source = require("peerage.source")

local M = {}

local CLOSED = { debug = true, ffi = true, jit = true, package = true }

local function set(names)
  local result = {}
  for _, name in ipairs(names) do result[name] = true end
  return result
end

-- What anyone gets. There is no class among them: what makes objects would show the one that the engine's objects share.
local OPEN = set({
  "engine", "engine.account", "engine.crypto", "engine.dns", "engine.fs", "engine.http", "engine.json", "engine.log", "engine.net",
  "engine.process", "engine.scope", "engine.task", "engine.tcp", "engine.timer", "engine.udp", "peerage", "peerage.announcement",
  "peerage.copy", "peerage.describe", "peerage.equal", "peerage.formats", "peerage.node", "peerage.secrets",
})

-- What else the built-in providers and connectors get.
local BUILT_IN = set({
  "peerage.erlang.beam", "peerage.erlang.cookie", "peerage.erlang.etf", "peerage.erlang.node", "peerage.erlang.options",
  "peerage.exec.absence", "peerage.exec.stderr", "peerage.exec.stream", "peerage.glob", "peerage.quiet", "peerage.roster",
  "peerage.watcher",
})
local BUILT_IN_FOLDERS = set({ engine.root .. "/providers", engine.root .. "/lua/peerage/connectors" })

-- Of these modules a provider gets the rest: what is here is set, or ended, for the whole process, or has no limits.
local KEPT = {
  ["engine.log"] = { "capture", "format", "level", "repeat_window" },
  ["engine.process"] = { "exit_now", "notify" },
  ["engine.account"] = { "new", "engine" },
}

-- Of these it gets this and no more.
local GIVEN = { peerage = { "stats", "version" } }

local function is_engine_module(name)
  return name:find("^engine%.") or name:find("^peerage%.") or name == "engine" or name == "peerage"
end

local function is_closed(name, folder)
  if is_engine_module(name) then return not (OPEN[name] or BUILT_IN[name] and BUILT_IN_FOLDERS[folder]) end
  return CLOSED[name] or name:find("^jit%.")
end

local HAVE_SETTINGS = set({ "cjson", "cjson.safe" }) -- which new() makes anew

-- Of a system's module: one level deep, since it may tell its tables by identity.
local function private(name, module)
  if type(module) ~= "table" then return module end
  if HAVE_SETTINGS[name] and type(module.new) == "function" then return module.new() end
  local result, metatable = copy(module), getmetatable(module)
  return type(metatable) == "table" and setmetatable(result, metatable) or result
end

local function engine_module(name)
  local whole, module = loading.require(name), {}
  if GIVEN[name] then
    for _, given in ipairs(GIVEN[name]) do module[given] = whole[given] end
    return module
  end
  module = deep_copy(whole) -- schemas and lists in it, too, and what is in those
  for _, kept in ipairs(KEPT[name] or {}) do module[kept] = nil end
  return module
end

local function paths_beside(folder, name)
  local stem = folder .. "/" .. name:gsub("%.", "/")
  return { stem .. ".lua", stem .. "/init.lua" }
end

-- While a version is loaded again from memory, a file that it did not have then is not there.
local function text_of(unit, memory, path)
  if memory and memory[path] then return memory[path] end
  if memory and not unit.module then return nil end
  local text, message, is_missing = source.read(path)
  if not text and not is_missing then error(message, 0) end
  return text
end

local function run_file(globals, name, text, path)
  local chunk, message = source.compile(text, path, globals)
  if not chunk then error(message, 0) end
  local result = chunk(name)
  return result == nil or result
end

-- What is closed has other names that lead to its file, such as "peerage/registry".
local function is_engine_file(name)
  local path = package.searchpath(name, package.path)
  return path and path:sub(1, #engine.root + 1) == engine.root .. "/"
end

local function require_from_system(unit, name, beside)
  if is_engine_file(name) then error(("require: %s is not open to providers"):format(name), 0) end
  local ok, result = pcall(loading.require, name)
  if ok then return private(name, result) end
  if type(result) ~= "string" or not result:find("^module '[^']*' not found:") then error(result, 0) end
  for _, path in ipairs(beside) do unit.files[path] = false end -- one of them may come
  error(("module '%s' not found: looked for %s and on the system's Lua path"):format(name, table.concat(beside, ", ")), 0)
end

--- Makes the `require` of a unit.
---@param unit { files: table<string, string|false>, module: table? } told of each file that is read, and where one was missing
---@param folder string of the unit's file
---@param memory table<string, string>|nil texts to use instead of the files
---@param globals table the unit's environment
---@return fun(name: string): any
function M.new(unit, folder, memory, globals)
  local loaded, marks = { _G = globals }, loading.marks()
  for _, name in ipairs(environment.LIBRARIES) do loaded[name] = globals[name] end

  local function load(name)
    if is_engine_module(name) then return engine_module(name) end
    local beside = paths_beside(folder, name)
    for _, path in ipairs(beside) do
      local text = text_of(unit, memory, path)
      if text then
        unit.files[path] = text
        return run_file(globals, name, text, path)
      end
    end
    return require_from_system(unit, name, beside)
  end

  return function(name)
    if type(name) ~= "string" then error("require: expected a module's name, found a " .. type(name), 2) end
    if is_closed(name, folder) then error(("require: %s is not open to providers"):format(name), 2) end
    if loaded[name] == nil then
      if loading.is_marked(marks, name) then error(("require: %s is being loaded: it requires itself"):format(name), 2) end
      loaded[name] = loading.run(marks, name, load)
    end
    return loaded[name]
  end
end

return M
