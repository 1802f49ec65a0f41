-- SPDX-License-Identifier: MIT
--- Keeps a serve() running, and the engine's own loops: what raises (or returns) is started again, after a delay that grows.
local Backoff = require("peerage.backoff")
local call = require("peerage.call")
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
---@field may_end boolean|nil what returns is not started again; without it only what returns false is not
---@field on_end (fun(failure: peerage.Failure): boolean?)|nil told of each end, before the restart; true: there is none

--- Runs `fn(...)`, a serve(), over and over until `scope` is closed, or it says by `false` that there is nothing to serve.
--- Runs in an engine task.
---@param scope engine.Scope the provider's; each run has a child of it
---@param fn function
---@param options peerage.SupervisorOptions
function M.run(scope, fn, options, ...)
  local name = options.name or SERVE
  local backoff = Backoff.new(options.delays or M.DELAYS)
  while true do
    local started = timer.now()
    local ok, failure = call.run(scope, nil, fn, ...)
    if scope:is_closed() or ok and (options.may_end or failure == false) then return end
    if timer.now() - started > M.STEADY then backoff:reset() end
    local delay = backoff:next()
    if ok then failure = RETURNED end
    log.error(ok and failure.message or name .. " failed: " .. failure.message, { traceback = failure.traceback })
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
