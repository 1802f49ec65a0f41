-- SPDX-License-Identifier: MIT
--- Finds and compiles providers and connectors. What it gives is a unit: a module and the text of each file that made
--- it, so that the same version can be started again when its files have changed.
local describe = require("peerage.describe")
local engine = require("engine")
local environment = require("peerage.environment")
local nearest = require("peerage.nearest")
local requirer = require("peerage.requirer")
local schema = require("peerage.schema")
local source = require("peerage.source")

local M = {}

---@class peerage.Kind what is loaded
---@field word string for messages
---@field method string the function that a module must have
---@field optional string[] functions that it may have
---@field folder string where the built-in ones are
---@field built_in string[] their names

M.PROVIDER = {
  word = "provider", method = "poll", optional = { "serve", "stop", "counters", "exposure", "check" },
  folder = engine.root .. "/providers", built_in = { "dns", "exec", "file", "http", "list", "self", "udp" },
}
M.CONNECTOR = {
  word = "connector", method = "connect",
  optional = { "serve", "stop", "counters", "disconnect", "nodes", "check", "share" },
  folder = engine.root .. "/lua/peerage/connectors", built_in = { "erlang", "none", "sidecar", "tcp" },
}

---@class peerage.Unit
---@field module table
---@field name string for labels: "dns", "homies"; "function" or "table" where it stands in the config
---@field path string|nil nil for a function or a table of the config
---@field files table<string, string|false> path to text, of all that was loaded; false: looked for in vain

--- The names that come with the engine.
---@param kind peerage.Kind
---@return string[]
function M.built_in(kind) return kind.built_in end

-- Peerage.Via.Dns is what Elixir's Peerage calls dns.
local function own_name(kind, name)
  local original = kind == M.PROVIDER and name:match("^Peerage%.Via%.(%u%a*)$")
  return original and original:lower() or name
end

local function candidates(kind, name, config)
  if name:find("/", 1, true) or name:find("%.lua$") then
    return { name:sub(1, 1) == "/" and name or config.folder .. "/" .. name }
  end
  local paths = {}
  for _, built_in in ipairs(kind.built_in) do
    if built_in == own_name(kind, name) then paths[1] = ("%s/%s.lua"):format(kind.folder, built_in) end
  end
  for _, folder in ipairs(config.provider_path or {}) do paths[#paths + 1] = ("%s/%s.lua"):format(folder, name) end
  paths[#paths + 1] = ("%s/%s.lua"):format(config.folder, name)
  paths[#paths + 1] = ("%s/%ss/%s.lua"):format(config.folder, kind.word, name)
  return paths
end

--- What a unit is called before it is loaded.
---@param kind peerage.Kind
---@param target string|function|table
---@return string name "dns" of a built-in one, "homies" of "./homies.lua"; "function" or "table" where it stands in the config
function M.name_of(kind, target)
  if type(target) ~= "string" then return type(target) end
  return own_name(kind, target):match("([^/]*)%.lua$") or own_name(kind, target):match("[^/]*$")
end

--- Where the module of a name or path is, and its text.
---@param kind peerage.Kind
---@param name string
---@param config { folder: string, provider_path: string[]? }
---@return string|nil path
---@return string text or a message with every place that was looked at
---@return string[] paths these places
function M.find(kind, name, config)
  local paths = candidates(kind, name, config)
  for _, path in ipairs(paths) do
    local text, message, is_missing = source.read(path)
    if text then return path, text, paths end
    if not is_missing then return nil, message, paths end
  end
  local near, shown = nearest(own_name(kind, name), kind.built_in), {}
  for i, path in ipairs(paths) do shown[i] = describe.path(path) end
  return nil, ("unknown %s %s:%s looked for %s; built in are %s"):format(kind.word, describe.text(name),
    near and (' did you mean "%s"?'):format(near) or "", table.concat(shown, ", "), table.concat(kind.built_in, ", ")), paths
end

--- An environment for the file at `path`: its `require` finds what is beside it.
---@param unit { files: table<string, string|false> } told of each file that is loaded
---@param path string
---@param memory table<string, string>|nil texts to use instead of the files
---@return table
function M.environment(unit, path, memory)
  local globals = environment.new()
  globals.require = requirer.new(unit, path:match("^(.*)/[^/]*$") or ".", memory, globals)
  return globals
end

local function check_contract(kind, module, where)
  if type(module) ~= "table" then
    return nil, ("%s: expected a table with %s(), found %s: does the file end with `return M`?"):format(
      where, kind.method, describe.value(module))
  end
  for _, name in ipairs({ kind.method, unpack(kind.optional) }) do
    local member = rawget(module, name)
    if type(member) ~= "function" and (member ~= nil or name == kind.method) then
      return nil, ("%s: %s: expected a function, found %s"):format(where, name, describe.value(member))
    end
  end
  local options = rawget(module, "options")
  if options == nil then return true end
  return schema.check(options, where .. ": options")
end

local function from_text(kind, path, text, memory, files)
  files[path] = text
  local unit = { name = M.name_of(kind, path), path = path, files = files }
  local chunk, message = source.compile(text, path, M.environment(unit, path, memory))
  if not chunk then return nil, message end
  local ran, module = pcall(chunk, unit.name)
  if not ran then return nil, source.locate(module, path) end
  local ok
  ok, message = check_contract(kind, module, path)
  if not ok then return nil, message end
  unit.module = module
  return unit
end

local function from_config(kind, target)
  local module = target
  if type(target) == "function" then
    module = { [kind.method] = target }
    -- A connector's function is asked about a node; there is nothing of a self that it would need.
    if kind == M.CONNECTOR then module.connect = function(_, node) return target(node) end end
  end
  local ok, message = check_contract(kind, module, "the " .. kind.word .. " of the config")
  if not ok then return nil, message end
  return { module = module, name = M.name_of(kind, target), files = {} }
end

--- Loads what `via` or `connect` names. Runs the file's top level, so call it through peerage.call.
---@param kind peerage.Kind
---@param target string|function|table|nil
---@param config { folder: string, provider_path: string[]? }|nil
---@param earlier peerage.Unit|nil a version to load again, from the texts it keeps
---@param files table<string, string|false>|nil filled with what is read, so that it is known when the call is ended too
---@return peerage.Unit|nil unit
---@return string? message
---@return table<string, string|false> files that were read, or looked for in vain, in both cases: a change of one may
--- mend a version that was refused
function M.load(kind, target, config, earlier, files)
  files = files or {}
  local unit, message
  if earlier and earlier.path then
    unit, message = from_text(kind, earlier.path, earlier.files[earlier.path], earlier.files, files)
  elseif type(target) == "string" then
    local path, text, paths = M.find(kind, target, config)
    if not path then
      for _, each in ipairs(paths) do files[each] = false end
      return nil, text, files
    end
    unit, message = from_text(kind, path, text, nil, files)
  else
    unit, message = from_config(kind, target)
  end
  return unit, message, files
end

return M
