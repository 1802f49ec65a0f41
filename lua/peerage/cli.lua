-- SPDX-License-Identifier: MIT
--- The command line: what the arguments say, and the exit status.
local argparse = require("argparse")
local big_endian = require("peerage.big_endian")
local crypto = require("engine.crypto")
local describe = require("peerage.describe")
local layout = require("engine.log.layout")
local log = require("engine.log")
local loader = require("peerage.loader")
local once = require("peerage.once")
local peerage = require("peerage")
local plan = require("peerage.plan")
local process = require("engine.process")
local service = require("peerage.service")
local task = require("engine.task")

local M = {}

local OK, FAILED, USAGE, CONFIG = 0, 1, 64, 78

local SYNOPSIS = [[
peerage-lua [options] CONFIG
       peerage-lua run SCRIPT [ARG ...]
       peerage-lua providers [NAME]
]]

local DESCRIPTION = [[
Finds nodes with the provider that CONFIG names, connects to them, and says who is live.
Runs until SIGTERM or SIGINT. SIGHUP looks for changed files; SIGUSR1 logs what is known of each node.]]

local EPILOG = [[
peerage-lua run SCRIPT [ARG ...]    run a Lua file as a task in the engine
peerage-lua providers [NAME]        list the built-in providers with their options

Exit status: 0; 1 failed, or with --once certainly no nodes; 64 wrong arguments;
69 with --once it could not find out; 78 the config is wrong.]]

local function seconds(text)
  local value = tonumber(text)
  if value and value >= 0 and value <= 86400 then return value end
  return nil, ("expected seconds from 0 to 86400, found %s"):format(describe.text(text))
end

local function make_parser()
  local parser = argparse("peerage-lua", DESCRIPTION, EPILOG):add_help(false):usage("Usage: " .. SYNOPSIS:gsub("\n$", ""))
  parser:argument("config", "A Lua file that returns a table."):args("?")
  parser:option("-n --name", "This node's name, name@host (also PEERAGE_NAME)."):argname("NAME")
  parser:flag("--once", "Poll once, announce nothing, print one name a line.")
  parser:option("--wait", "With --once: what a provider with serve() gets to hear others."):argname("SECONDS")
    :convert(seconds):default("8")
  parser:flag("--json", "With --once: one JSON object a line: name, host, port, meta, source.")
  parser:flag("--check", "Load and validate everything, print ok, start nothing.")
  parser:option("--log-level", "debug, info, warn or error."):argname("LEVEL"):choices({ "debug", "info", "warn", "error" })
  parser:option("--log-format", "text or json."):argname("FORMAT"):choices({ "text", "json" })
  parser:flag("-V --version", "Print the version.")
  parser:flag("-h --help", "Print this.")
  return parser
end

local function say(message)
  local prefix = layout.prefix("error")
  io.stderr:write(prefix, "peerage-lua: ", (message:gsub("\n", "\n" .. prefix)), "\n")
end

-- What the config says to start; nil if it is wrong, which is said. `level` is the log's, the config's own without.
local function load_plan(path, overrides, level)
  log.level(level or overrides.log_level or "info")
  local conf, message = peerage.load_config(path, overrides)
  local planned
  if conf then
    log.level(level or conf.log_level)
    log.format(conf.log_format)
    planned, message = plan.prepare(conf)
  end
  if not planned then say(message) end
  return planned
end

local function run_script(path, ...)
  if not path then
    say("run: expected a SCRIPT")
    return USAGE
  end
  _G.arg = { [0] = path, ... }
  local chunk, message = loadfile(path)
  if not chunk then
    say(message)
    return FAILED
  end
  local status = chunk(...)
  return type(status) == "number" and status or OK
end

local function show_option(name, option)
  local kind = type(option.type) == "table" and table.concat(option.type, "|") or option.type
  local default = option.default
  if type(default) == "table" then default = "{ " .. table.concat(default, ", ") .. " }" end
  local note = option.required and "required" or default ~= nil and ("default %s"):format(tostring(default)) or "optional"
  print(("  %-16s %-8s %s%s"):format(name, kind, note, option.doc and " - " .. option.doc or ""))
end

local function show_provider(name, folders)
  local unit, message = plan.load_unit(loader.PROVIDER, name, folders)
  if not unit then
    say(message)
    return USAGE
  end
  print(name)
  local names = {}
  for option in next, unit.module.options or {} do names[#names + 1] = option end
  table.sort(names)
  for _, option in ipairs(names) do show_option(option, unit.module.options[option]) end
  return OK
end

local function show_providers(name)
  local folders = { folder = "." }
  if name then return show_provider(name, folders) end
  for _, each in ipairs(loader.built_in(loader.PROVIDER)) do show_provider(each, folders) end
  return OK
end

-- Until the engine is started there is nothing to stop; then the second SIGTERM or SIGINT does not wait for anything.
local function follow_signals(signals, running)
  for name in signals:each() do
    local engine = running.engine
    if name == "TERM" or name == "INT" then
      if not engine then process.exit_now(OK) end
      if running.is_stopping then process.exit_now(FAILED) end
      running.is_stopping = true
      running.ended:push(true)
    elseif name == "USR1" then
      task.spawn(function() log.info(engine and engine:explain() or "starting: the config is being loaded") end)
    elseif engine then
      engine:reload_now()
    end
  end
end

-- Signals are heard before the config's code runs: a SIGHUP that comes early would end the process.
local function serve(path, overrides)
  local signals, message = process.signals("TERM", "INT", "HUP", "USR1")
  if not signals then
    say(message)
    return FAILED
  end
  local running = { ended = task.queue(1) }
  task.spawn(follow_signals, signals, running)
  service.start()
  local planned = load_plan(path, overrides)
  if not planned then return CONFIG end
  running.engine, message = peerage.start(planned, overrides)
  if not running.engine then
    log.error("not started: " .. message)
    return FAILED
  end
  service.ready()
  running.ended:pop()
  service.stopping()
  running.engine:stop()
  return OK
end

local function run_config(arguments)
  local overrides = { name = arguments.name, log_level = arguments.log_level, log_format = arguments.log_format }
  if not (arguments.once or arguments.check) then return serve(arguments.config, overrides) end
  local planned = load_plan(arguments.config, overrides, arguments.log_level or "warn")
  if not planned then return CONFIG end
  for _, warning in ipairs(planned.warnings) do log.warn(warning) end
  if arguments.once then
    return once.run(planned, planned.config.name or peerage.random_name(), { wait = arguments.wait, json = arguments.json })
  end
  print("ok")
  return OK
end

-- Engines that start together must not draw the same numbers: jitter is made of them.
local function seed()
  math.randomseed(big_endian.read_u32(crypto.random(4), 1))
end

--- Runs the command line.
---@param ... string the arguments
---@return integer exit_status
function M.main(...)
  local command = ...
  seed()
  if command == "run" then return run_script(select(2, ...)) end
  if command == "providers" then return show_providers((select(2, ...))) end
  local parser = make_parser()
  local ok, arguments = parser:pparse({ ... })
  if ok and arguments.help then
    print(parser:get_help())
    return OK
  elseif ok and arguments.version then
    print("peerage-lua " .. peerage.version)
    return OK
  elseif ok and not arguments.config then
    ok, arguments = false, "expected a CONFIG"
  end
  if not ok then
    say(describe.message(arguments))
    io.stderr:write(parser:get_usage(), "\n")
    return USAGE
  end
  return run_config(arguments)
end

return M
