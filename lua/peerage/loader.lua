-- SPDX-License-Identifier: MIT
--- Finds and compiles providers and connectors. What it gives is a unit: a module and the text of each file that made
--- it, so that the same version can be started again when its files have changed.
local call = require("peerage.call")
local engine = require("engine")
local environment = require("peerage.environment")
local log = require("engine.log")
local schema = require("peerage.schema")

local M = {}

---@class peerage.Kind what is loaded
---@field word string for messages
---@field method string the function that a module must have
---@field folder string where the built-in ones are
M.PROVIDER = { word = "provider", method = "poll", folder = engine.root .. "/providers" }
M.CONNECTOR = { word = "connector", method = "connect", folder = engine.root .. "/lua/peerage/connectors" }

---@class peerage.Unit
---@field module table
---@field name string for labels: "dns", "homies"
---@field path string|nil nil for a function or a table of the config
---@field files table<string, string> path to text, of all that was loaded

local BUILT_IN = {
  provider = { "dns", "list", "self", "udp" },
  connector = { "none", "tcp" },
}

--- The names that come with the engine.
---@param kind peerage.Kind
---@return string[]
function M.built_in(kind) return BUILT_IN[kind.word] end

local function read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text, why = file:read("*a")
  file:close()
  return text, text and nil or ("%s: %s"):format(path, why)
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- Peerage.Via.Dns is what Elixir's Peerage calls dns.
local function own_name(name)
  local original = name:match("^Peerage%.Via%.(%u%a*)$")
  return original and original:lower() or name
end

local function candidates(kind, name, config)
  if name:find("/", 1, true) or name:find("%.lua$") then
    return { name:sub(1, 1) == "/" and name or config.folder .. "/" .. name }
  end
  local paths = {}
  for _, built_in in ipairs(M.built_in(kind)) do
    if built_in == own_name(name) then paths[1] = ("%s/%s.lua"):format(kind.folder, built_in) end
  end
  for _, folder in ipairs(config.provider_path or {}) do paths[#paths + 1] = ("%s/%s.lua"):format(folder, name) end
  paths[#paths + 1] = ("%s/%s.lua"):format(config.folder, name)
  paths[#paths + 1] = ("%s/%ss/%s.lua"):format(config.folder, kind.word, name)
  return paths
end

--- Where the module of a name or path is.
---@param kind peerage.Kind
---@param name string
---@param config { folder: string, provider_path: string[]? }
---@return string|nil path, string? message with every place that was looked at
function M.find(kind, name, config)
  local paths = candidates(kind, name, config)
  for _, path in ipairs(paths) do
    if exists(path) then return path end
  end
  local near = schema.nearest(own_name(name), M.built_in(kind))
  return nil, ("unknown %s %s%s: looked for %s; built in are %s"):format(
    kind.word, schema.describe(name), near and (': did you mean "%s"'):format(near) or "",
    table.concat(paths, ", "), table.concat(M.built_in(kind), ", "))
end

local function is_engine_module(name)
  return name:find("^engine%.") or name:find("^peerage%.") or name == "engine" or name == "peerage"
end

-- A copy of its own, so that what one provider does to a module no other sees.
local function private(module)
  if type(module) ~= "table" then return module end
  local result = {}
  for key, value in next, module do result[key] = value end
  return setmetatable(result, getmetatable(module))
end

-- `require` as a provider sees it: the files beside it come first after the engine's, and are part of its version.
local function make_require(unit, folder, memory, globals)
  local loaded = {}
  local function load_beside(name)
    local relative = name:gsub("%.", "/")
    for _, path in ipairs({ folder .. "/" .. relative .. ".lua", folder .. "/" .. relative .. "/init.lua" }) do
      local text = memory and memory[path] or not memory and read(path)
      if text then
        unit.files[path] = text
        local chunk, message = loadstring(text, "@" .. path)
        if not chunk then error(message, 0) end
        local result = setfenv(chunk, globals)(name)
        return true, result == nil and true or result
      end
    end
  end
  return function(name)
    if type(name) ~= "string" then error("require: expected a module's name, found a " .. type(name), 2) end
    if loaded[name] ~= nil then return loaded[name] end
    if is_engine_module(name) then
      loaded[name] = private(require(name))
    else
      local found, result = load_beside(name)
      loaded[name] = found and result or require(name)
    end
    return loaded[name]
  end
end

local function print_to_log(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  log.info(table.concat(parts, "\t"))
end

--- An environment for the file at `path`: its `require` finds what is beside it.
---@param unit { files: table<string, string> } told of each file that is loaded
---@param path string
---@param memory table<string, string>|nil texts to use instead of the files
---@param extra table<string, any>|nil further globals
---@return table
function M.environment(unit, path, memory, extra)
  local globals = environment.new({ print = print_to_log })
  for key, value in next, extra or {} do globals[key] = value end
  globals.require = make_require(unit, path:match("^(.*)/[^/]*$") or ".", memory, globals)
  return globals
end

local function check_contract(kind, module, where)
  if type(module) ~= "table" then
    return nil, ("%s: expected a table with %s(), found %s: does the file end with `return M`?"):format(
      where, kind.method, schema.describe(module))
  end
  for _, name in ipairs({ kind.method, "serve", "stop" }) do
    local member = rawget(module, name)
    if type(member) ~= "function" and (member ~= nil or name == kind.method) then
      return nil, ("%s: %s: expected a function, found %s"):format(where, name, schema.describe(member))
    end
  end
  local options = rawget(module, "options")
  if options == nil then return true end
  local ok, message = schema.check(options)
  if not ok then return nil, ("%s: options: %s"):format(where, message) end
  return true
end

-- The files that were read come back in both cases, so that a refused version is looked at again when one changes.
local function from_file(kind, path, memory)
  local text, message = memory and memory[path], nil
  if not text then text, message = read(path) end
  local files = { [path] = text }
  if not text then return nil, message, files end
  local unit = { name = path:match("([^/]*)%.lua$") or path, path = path, files = files }
  local chunk
  chunk, message = loadstring(text, "@" .. path)
  if not chunk then return nil, message, files end
  local ran, module = pcall(setfenv(chunk, M.environment(unit, path, memory)), unit.name)
  if not ran then return nil, ("%s: %s"):format(path, call.message(module)), files end
  local ok
  ok, message = check_contract(kind, module, path)
  if not ok then return nil, message, files end
  unit.module = module
  return unit, nil, files
end

--- Loads what `via` or `connect` names. Runs the file's top level: call it through peerage.call.
---@param kind peerage.Kind
---@param target string|function|table
---@param config { folder: string, provider_path: string[]? }
---@param earlier peerage.Unit|nil a version to load again from the texts it keeps
---@return peerage.Unit|nil unit, string? message, table<string, string>? files
function M.load(kind, target, config, earlier)
  if earlier and earlier.path then return from_file(kind, earlier.path, earlier.files) end
  if type(target) == "string" then
    local path, message = M.find(kind, target, config)
    if not path then return nil, message end
    return from_file(kind, path)
  end
  local module = target
  if type(target) == "function" then
    module = { [kind.method] = function(_, ...) return target(...) end }
  end
  local ok, message = check_contract(kind, module, "the " .. kind.word .. " of the config")
  if not ok then return nil, message end
  return { module = module, name = "config", files = {} }
end

return M
