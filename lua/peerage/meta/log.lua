-- SPDX-License-Identifier: MIT
---@meta engine.log

--- The log: one message, one write to stderr.
---
--- As text: `2026-11-22T16:13:57.123Z warn  [provider dns] no answer server=10.0.0.2 tries=2`. A terminal gets the time
--- of day only; the journal (systemd.exec(5), JOURNAL_STREAM) gets `<N>` priorities and no time. A message of several
--- lines stays as it is, but a line that begins with neither space nor tab is indented. As JSON: one object a line,
--- `{ time, level, source, message, …fields, traceback }`. Control characters, invalid UTF-8 and what reorders a line
--- are escaped in both: nothing from the network reaches a terminal.
---
--- A warning or error whose level, source, message and fields repeat within a minute is counted, and said once more
--- with its count when the minute is over. More than 1 MB of a message is cut and the rest counted (`cut`).
---
--- Errors of the core are logged alike; should Lua have no memory left, each is one plain line of ASCII.
---
--- Logging never waits for a task and runs no metamethods. A long message waits at most
--- 50 ms for who reads stderr; what is not taken is dropped and counted, and the count is said when messages are taken
--- again. From the first that is dropped until then nothing is waited for.
---@class engine.log: engine.log.logger
local log = {}

---@alias engine.log.level "debug"|"info"|"warn"|"error"

--- Its source is the label of the running task's scope ("provider dns"), "engine" without one. A message that is not a
--- string raises. `fields` may hold tables, six deep, and 1 MB in all; the rest is "...". A string `traceback` among
--- them is put below the message. A field named like a part of the JSON object is renamed: `field_level`.
---@class engine.log.logger
---@field debug fun(message: string, fields?: table)
---@field info fun(message: string, fields?: table)
---@field warn fun(message: string, fields?: table)
---@field error fun(message: string, fields?: table)

--- A logger of its own name.
---@param source? string nil: the label of the running task's scope
---@return engine.log.logger
function log.named(source) end

--- Sets the lowest level that is written; "info" at first. Another name raises.
---@param name? engine.log.level
---@return engine.log.level name the one in force
function log.level(name) end

--- Sets the format; "text" at first. Another name raises.
---@param name? "text"|"json"
---@return "text"|"json" name the one in force
function log.format(name) end

--- Whether messages of this level are written: for those that cost something to make.
---@param level engine.log.level
---@return boolean
function log.is_wanted(level) end

--- How many messages there were of each level, those that were not written too.
---@return { debug: integer, info: integer, warn: integer, error: integer }
function log.counts() end

--- Sets for how long a repeated warning is held back; 60 at first, 0: not at all.
---@param seconds? number
---@return number seconds
function log.repeat_window(seconds) end

--- For specs: gives the messages that would be written to `fn` instead, repeated ones too; nil ends that. What `fn`
--- raises is written to stderr. It must not wait; what it logs itself goes to stderr.
---@param fn? fun(level: engine.log.level, source: string, message: string, fields?: table)
function log.capture(fn) end

return log
