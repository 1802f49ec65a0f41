-- SPDX-License-Identifier: MIT
--- The log: the Lua half, which decides what is written and how. The C half hands it what the core has to say.
local core = require("engine.log.core")
local fields_of = require("engine.log.fields")
local layout = require("engine.log.layout")
local losses = require("engine.log.losses")
local repeats = require("engine.log.repeats")
local timer = require("engine.timer")

local M = {}

local PATIENCE = 0.05 -- seconds to wait for a slow reader: a long message is more than a pipe holds
local RECOVERY = 0.02 -- seconds of patience that come back in a second
local RANKS = { debug = 1, info = 2, warn = 3, error = 4 }

local lowest, format = "info", "text"
local counts = { debug = 0, info = 0, warn = 0, error = 0 }
local listener -- a spec's function
local is_listening = false
local patience, wrote_at = PATIENCE, 0 -- what is left of it, and since when

local function check_level(level, expected)
  if RANKS[level] then return end
  error(('expected %s debug, info, warn or error, found "%s"'):format(expected, tostring(level)), 3)
end

-- All messages have one patience together, or a reader that is slow but steady would have the engine wait at each. From the
-- first that is lost until one is taken again nothing is waited for.
local function write_out(level, source, text, fields, traceback)
  local message = { level = level, source = source, text = text, fields = fields, traceback = traceback }
  local line, now = layout[format](message), timer.now()
  patience = math.min(PATIENCE, patience + (now - wrote_at) * RECOVERY)
  local ok = core.write(line, losses.are_there() and 0 or patience)
  wrote_at = timer.now()
  patience = math.max(0, patience - (wrote_at - now))
  return ok
end

local function say(...)
  if not (losses.say(write_out) and write_out(...)) then losses.add() end
end

-- In a coroutine, where it cannot wait.
local function give_to_listener(...)
  is_listening = true
  local ok, message = pcall(coroutine.wrap(listener), ...)
  is_listening = false
  if not ok then say("error", "log.capture", type(message) == "string" and message or "it raised") end
end

-- A traceback goes below the message.
local function split_traceback(fields)
  local traceback, rest = rawget(fields, "traceback"), {}
  if type(traceback) ~= "string" then return fields, nil end
  for key, value in next, fields do rest[key] = value end
  rest.traceback = nil
  return rest, traceback
end

local function take(level, source, text, fields)
  if listener and not is_listening then return give_to_listener(level, source, text, fields) end
  local traceback, words
  if fields then
    fields, traceback = split_traceback(fields)
    words = fields_of.lay_out(fields, format == "json")
  end
  if RANKS[level] >= RANKS.warn and repeats.has(level, source, text, words, say) then return end
  say(level, source, text, words, traceback)
end

local function count(level)
  counts[level] = counts[level] + 1
  return RANKS[level] >= RANKS[lowest]
end

core.listen(function(event, source, text, traceback)
  if event == "end" then
    listener = nil
    repeats.window(0)
  end
  if event == "end" or event == "wake" then
    (event == "end" and losses.say or losses.retry)(write_out)
    return repeats.sweep(say)
  end
  if count(event) then take(event, source, text, traceback and { traceback = traceback }) end
end)

local function write(level, source, message, fields)
  if type(message) ~= "string" then error(("expected a message, found a %s"):format(type(message)), 3) end
  if fields ~= nil and type(fields) ~= "table" then
    error(("expected a table of fields, found a %s"):format(type(fields)), 3)
  end
  if count(level) then take(level, source or core.label(), message, fields) end
end

--- A logger of its own name.
---@param source? string who speaks; nil: the label of the running task's scope
---@return engine.log.logger
function M.named(source)
  local logger = {}
  for level in next, RANKS do
    logger[level] = function(message, fields) write(level, source, message, fields) end
  end
  return logger
end

for level, fn in next, M.named() do M[level] = fn end

--- Sets the lowest level that is written; "info" at first. Another name raises.
---@param name? engine.log.level
---@return engine.log.level name the one in force
function M.level(name)
  if name ~= nil then check_level(name, "the log level") end
  lowest = name or lowest
  return lowest
end

--- Sets the format; "text" at first. Another name raises.
---@param name? "text"|"json"
---@return "text"|"json" name the one in force
function M.format(name)
  if name ~= nil and name ~= "text" and name ~= "json" then
    error(('expected the log format text or json, found "%s"'):format(tostring(name)), 2)
  end
  format = name or format
  return format
end

--- Whether messages of this level are written: for those that cost something to make.
---@param level engine.log.level
---@return boolean
function M.is_wanted(level)
  check_level(level, "a log level of")
  return RANKS[level] >= RANKS[lowest]
end

--- How many messages there were of each level, those that were not written too.
---@return { debug: integer, info: integer, warn: integer, error: integer }
function M.counts()
  return { debug = counts.debug, info = counts.info, warn = counts.warn, error = counts.error }
end

--- Sets for how long a repeated warning is held back; 60 at first, 0: not at all.
---@param seconds? number
---@return number seconds
function M.repeat_window(seconds)
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0 and seconds <= 1e6) then
    error("expected seconds from 0 to 1e6, found " .. tostring(seconds), 2)
  end
  return repeats.window(seconds)
end

--- For specs: gives the messages that would be written to `fn` instead, repeated ones too; nil ends that.
---@param fn? fun(level: engine.log.level, source: string, message: string, fields?: table)
function M.capture(fn)
  if fn ~= nil and type(fn) ~= "function" then error("bad listener: function expected, found a " .. type(fn), 2) end
  listener = fn
end

return M
