-- SPDX-License-Identifier: MIT
--- Keeps a serve() running, and the engine's own loops: what raises (or returns) is started again, after a delay that grows.
--- Invariant: whatever it ended for, the log has it once, and only what is the code's own fault as an error.
local Backoff = require("peerage.backoff")
local call = require("peerage.call")
local describe = require("peerage.describe")
local log = require("engine.log")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

--- Seconds before a restart.
M.DELAYS = { first = 1, max = 30 }

--- Seconds; one that ran so long begins with the first delay again.
M.STEADY = 60

local SERVE = "serve()"
local RETURNED = { reason = "raised", message = SERVE .. " returned: it must run as long as it serves" }

---@class peerage.SupervisorOptions
---@field delays { first: number, max: number }|nil seconds before a restart; 1 and 30
---@field name string|nil what it is in the log; serve()
---@field is_known (fun(failure: peerage.Failure): boolean)|nil whether what it says that it ended for is in the log already
---@field may_end boolean|nil what returns is not started again; without it only what returns false alone is not
---@field on_end (fun(failure: peerage.Failure): boolean?)|nil told of each end, before the restart; true: there is none

-- What a run that is not the last came to. `nil, message` says why it ended, and `false, value` of a pcall does.
local function failure_of(ok, answer, message)
  if not ok then return answer end
  if answer == false then return { reason = "ended", message = call.message(message) } end
  if answer ~= nil or type(message) ~= "string" then return RETURNED end
  return { reason = "ended", message = describe.message(message) }
end

local function say(name, failure, is_known)
  if failure == RETURNED then return log.error(failure.message) end
  if failure.reason ~= "ended" then
    return log.error(("%s failed: %s"):format(name, failure.message), { traceback = failure.traceback })
  end
  log[is_known and "debug" or "warn"](("%s ended: %s"):format(name, failure.message))
end

--- Runs `fn(...)`, a serve(), over and over until `scope` is closed, or it says by `false` alone that there is nothing to serve.
--- Runs in an engine task.
---@param scope engine.Scope the provider's; each run has a child of it
---@param fn function
---@param options peerage.SupervisorOptions
function M.run(scope, fn, options, ...)
  local name = options.name or SERVE
  local backoff = Backoff.new(options.delays or M.DELAYS)
  while true do
    local started = timer.now()
    local ok, answer, message = call.run(scope, nil, fn, ...)
    if scope:is_closed() or ok and options.may_end then return end
    if ok and answer == false and message == nil then return log.debug(name .. " has nothing to serve") end
    local failure = failure_of(ok, answer, message)
    if timer.now() - started > M.STEADY then backoff:reset() end
    local delay = backoff:next()
    say(name, failure, options.is_known and options.is_known(failure))
    if options.on_end and options.on_end(failure) then return end
    log.debug(name .. " starts again", { seconds = delay })
    task.sleep(delay)
  end
end

--- Keeps a task of the engine's own alive: one that raises says so and is started again; one that returns is over.
---@param scope engine.Scope who owns it
---@param name string what it is in the log: "the poll loop"
---@param fn function
---@return engine.task
function M.keep(scope, name, fn, ...) return scope:spawn(M.run, scope, fn, { name = name, may_end = true }, ...) end

return M
