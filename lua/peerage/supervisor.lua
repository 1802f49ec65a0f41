-- SPDX-License-Identifier: MIT
--- Keeps a serve() running: one that raises or returns is started again, after a delay that grows.
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

local RETURNED = { reason = "raised", message = "serve() returned: it must run as long as it serves" }

---@class peerage.SupervisorOptions
---@field delays { first: number, max: number }|nil seconds before a restart; 1 and 30
---@field on_end (fun(failure: peerage.Failure): boolean?)|nil told of each end, before the restart; true: there is none

--- Runs `serve(...)` over and over until `scope` is closed. Runs in an engine task.
---@param scope engine.Scope the provider's; each run has a child of it
---@param serve function
---@param options peerage.SupervisorOptions
function M.run(scope, serve, options, ...)
  local backoff = Backoff.new(options.delays or M.DELAYS)
  while true do
    local started = timer.now()
    local ok, failure = call.run(scope, nil, serve, ...)
    if scope:is_closed() then return end
    if timer.now() - started > M.STEADY then backoff:reset() end
    local delay = backoff:next()
    if ok then failure = RETURNED end
    log.error(ok and failure.message or "serve() failed: " .. failure.message, { traceback = failure.traceback })
    if options.on_end and options.on_end(failure) then return end
    log.debug("serve() starts again", { seconds = delay })
    task.sleep(delay)
  end
end

return M
