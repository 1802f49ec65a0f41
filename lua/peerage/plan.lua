-- SPDX-License-Identifier: MIT
--- What a config comes to: each cluster's provider and connector, loaded, with valid options; nothing started.
local accounts = require("peerage.accounts")
local call = require("peerage.call")
local config = require("peerage.config")
local copy = require("peerage.copy")
local deep_copy = require("peerage.deep_copy")
local describe = require("peerage.describe")
local loader = require("peerage.loader")
local scopes = require("engine.scope")

local M = {}

local LOAD_TIMEOUT = 10 -- seconds for the top level of one provider file, and for the checks of its options

---@class peerage.Part
---@field unit peerage.Unit
---@field name string
---@field options table
---@field account engine.account who pays for it from its loading on
---@field shared table|nil of a connector: what its share() made
---@field is_taken_over boolean|nil of a connector: what it shares has taken these options over just now

-- Runs what is, or calls, the user's code in a task of its own.
local function run_apart(label, account, fn, ...)
  local scope = scopes.new(label, nil, account)
  local function close(...)
    scope:close()
    return ...
  end
  return close(call.run(scope, LOAD_TIMEOUT, fn, ...))
end

--- Loads a unit in a task of its own: a file's top level is the user's code.
---@param kind peerage.Kind
---@param target string|function|table|nil
---@param folders { folder: string, provider_path: string[]? }|nil
---@param earlier peerage.Unit|nil
---@param account engine.account|nil who pays for it
---@return peerage.Unit|nil unit, string? message, table<string, string|false> files that were read, in both cases
function M.load_unit(kind, target, folders, earlier, account)
  local files = {}
  local ok, unit, message = run_apart(kind.word, account, loader.load, kind, target, folders, earlier, files)
  if ok then return unit, message, files end
  local who = type(target) == "string" and describe.path(target) or earlier and earlier.path or kind.word
  local hint = unit.reason == "timeout" and "its top level may not wait: " or ""
  return nil, ("%s: %s%s"):format(who, hint, unit.message), files
end

--- The same version of a part once more, of the texts that were kept: with locals of its files as they were at first.
--- What stands in the config itself stays what it is. Waits.
---@param kind peerage.Kind
---@param part peerage.Part
---@return peerage.Part|nil part, string? message
function M.again(kind, part)
  local unit, message = part.unit, nil
  if unit.path then unit, message = M.load_unit(kind, nil, nil, unit, part.account) end
  if not unit then return nil, message end
  return { unit = unit, name = part.name, options = part.options, account = part.account, shared = part.shared }
end

--- The path as the user knows it: relative to the config's folder where it is below it.
local function shorten(message, folder)
  local start, finish = message:find(folder .. "/", 1, true)
  return start == 1 and message:sub(finish + 1) or message
end

-- A file's message begins with its path, any other with the config's.
local function load_part(conf, kind, spec, settings)
  local account = accounts.new(accounts.label(settings.name, kind.word, loader.name_of(kind, spec.target)), settings)
  local unit, message, files = M.load_unit(kind, spec.target, conf, nil, account)
  if unit then return { unit = unit, name = unit.name, account = account } end
  local is_of_file = type(spec.target) == "string" and not message:find("^unknown")
  return nil, is_of_file and shorten(message, conf.folder) or ("%s: %s"):format(conf.path, message), files
end

local function declared(part) return { name = part.name, options = rawget(part.unit.module, "options") } end

-- Checks of options are functions of the module.
local function read_options(part, fn, ...)
  local ok, options, message = run_apart("options of " .. part.name, part.account, fn, ...)
  if not ok then return nil, ("options of %s: %s"):format(part.name, options.message) end
  return options, message
end

local function load_connector(conf, settings)
  local part, message, files = load_part(conf, loader.CONNECTOR, settings.connect, settings)
  if not part then return nil, message, files end
  part.options, message = read_options(part, config.connector_options, settings, declared(part))
  if not part.options then return nil, message, part.unit.files end
  return part
end

-- What check() answered: true, with a warning perhaps, or what is wrong.
local function verdict(ok, answer, message)
  if not ok then return nil, "check() failed: " .. answer.message end
  local text = type(message) == "string" and describe.message(message) or nil
  if answer == true then return true, text end
  return nil, not answer and text or ("check() returned %s: expected true, or nil and a message"):format(describe.value(answer))
end

-- Asks a part whether its options will do where they are.
local function ask_check(part, where, context)
  local check = rawget(part.unit.module, "check")
  if not check then return true end
  local ok, text = verdict(run_apart("check of " .. part.name, part.account, check, deep_copy(part.options), context))
  return ok, text and ("%s: %s"):format(where, text)
end

-- On success the message is a list of warnings.
local function load_provider(conf, settings, connector)
  local part, message, files = load_part(conf, loader.PROVIDER, settings.via, settings)
  if not part then return nil, message, files end
  part.options, message = read_options(part, config.provider_options, settings, declared(part), declared(connector))
  if not part.options then return nil, message, part.unit.files end
  if settings.serves == true and not rawget(part.unit.module, "serve") then
    return nil, ("%s: serves: expected a provider with serve(), found that %s has none"):format(conf.path, part.name),
      part.unit.files
  end
  local ok, text = ask_check(part, settings.via.where, { name = conf.name, name_given = conf.name_given })
  if not ok then return nil, text, part.unit.files end
  message[#message + 1] = text
  return part, message
end

local EXPOSURES = { open = true, accepted = true }

-- Whether anyone on the network can name nodes, as the provider says.
local function exposure_of(provider)
  local exposure = rawget(provider.unit.module, "exposure")
  if not exposure then return nil end
  local ok, answer = run_apart("exposure of " .. provider.name, provider.account, exposure, deep_copy(provider.options))
  if not ok then return nil, answer.message end
  if answer == nil or EXPOSURES[answer] then return answer end
  return nil, ('expected "open", "accepted" or nothing, found %s'):format(describe.value(answer))
end

-- Asks the connector whether its options and what surrounds them will do.
local function check_connector(conf, settings, connector, provider)
  if not rawget(connector.unit.module, "check") then return true end
  local exposure, message = exposure_of(provider)
  if message then return nil, ("%s: provider %s: exposure(): %s"):format(conf.path, provider.name, message) end
  return ask_check(connector, settings.connect.where, {
    name = conf.name, name_given = conf.name_given,
    provider = { name = provider.name, options = deep_copy(provider.options), exposure = exposure },
  })
end

---@class peerage.PlannedCluster
---@field name string
---@field settings table of the config
---@field provider peerage.Part
---@field connector peerage.Part
---@field warnings string[]

local function add_files(read, files)
  for path, text in next, files or {} do read[path] = text end
end

--- Loads a cluster's connector and provider as they are now.
---@param conf table as peerage.config gives it
---@param name string of the cluster
---@return peerage.PlannedCluster|nil cluster
---@return string|nil message
---@return table<string, string|false> files that were read, in both cases
function M.cluster(conf, name)
  local settings, read = conf.clusters[name], {}
  local connector, message, files = load_connector(conf, settings)
  add_files(read, connector and connector.unit.files or files)
  if not connector then return nil, message, read end
  local provider
  provider, message, files = load_provider(conf, settings, connector)
  add_files(read, provider and provider.unit.files or files)
  if not provider then return nil, message, read end
  local ok, text = check_connector(conf, settings, connector, provider)
  if not ok then return nil, text, read end
  message[#message + 1] = text
  return { name = name, settings = settings, provider = provider, connector = connector, warnings = message }, nil, read
end

---@class peerage.Plan
---@field config table as peerage.config gives it
---@field clusters peerage.PlannedCluster[]
---@field warnings string[]
---@field files table<string, string|false> that were read

--- Loads everything that a config names.
---@param conf table as peerage.config gives it
---@return peerage.Plan|nil plan
---@return string? message, table<string, string|false>? files that were read when it failed
function M.prepare(conf)
  local names, read = {}, {}
  local plan = { config = conf, clusters = {}, warnings = copy(conf.warnings), files = read }
  add_files(read, conf.files)
  for name in next, conf.clusters do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local cluster, message, files = M.cluster(conf, name)
    add_files(read, files)
    if not cluster then return nil, message, read end
    plan.clusters[i] = cluster
    for _, warning in ipairs(cluster.warnings) do plan.warnings[#plan.warnings + 1] = warning end
  end
  return plan
end

return M
