-- SPDX-License-Identifier: MIT
--- Keeps a serve() running: one that raises or returns is started again, after a delay that grows.
local Backoff = require("peerage.backoff")
local call = require("peerage.call")
local log = require("engine.log")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

local FIRST, MAX = 1, 30 -- seconds before a restart
local STEADY = 60 -- seconds; one that ran so long begins with the first delay again

--- Runs `serve` over and over until `scope` is closed. Runs in an engine task.
---@param scope engine.Scope the provider's; each run has a child of it
---@param serve function
---@param on_end fun(failure: peerage.Failure) told of each end, before the restart
function M.run(scope, serve, on_end, ...)
  local backoff = Backoff.new({ first = FIRST, max = MAX })
  while not scope:is_closed() do
    local started = timer.now()
    local ok, failure = call.run(scope, nil, serve, ...)
    if scope:is_closed() then return end
    if ok then
      failure = { reason = "raised", message = "serve() returned: it must run as long as it serves" }
    end
    if timer.now() - started > STEADY then backoff:reset() end
    local delay = backoff:next()
    log.error(ok and failure.message or "serve() failed: " .. failure.message, { traceback = failure.traceback })
    log.debug("serve() starts again", { seconds = delay })
    on_end(failure)
    task.sleep(delay)
  end
end

return M
