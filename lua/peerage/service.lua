-- SPDX-License-Identifier: MIT
--- What the service manager is told, as sd_notify(3) says. Invariant: the watchdog is fed by a task of the loop, so it is
--- fed as long as the loop goes round; without a service manager all of it does nothing.
local fs = require("engine.fs")
local log = require("engine.log")
local process = require("engine.process")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}

local RETRY = 0.05 -- seconds
local MOST_UNTOLD = 64

local scope -- nil: nobody is told
local status
local untold = {} -- in order, while the manager's socket is full: sd_notify(3) would wait there

local function keep_trying()
  while untold[1] do
    task.sleep(RETRY)
    while untold[1] and select(3, process.notify(untold[1])) ~= "EAGAIN" do table.remove(untold, 1) end
  end
end

local function keep(text)
  if #untold == MOST_UNTOLD then table.remove(untold, 1) end
  untold[#untold + 1] = text
  if #untold == 1 then scope:spawn(keep_trying) end
end

local function tell(text)
  if not scope then return end
  if untold[1] then return keep(text) end
  local ok, message, code = process.notify(text)
  if code == "EAGAIN" then return keep(text) end
  if not ok then log.warn(message, { text = text }) end
end

-- Seconds, or nil where no watchdog waits for this process.
local function watchdog_period()
  local microseconds, pid = tonumber(os.getenv("WATCHDOG_USEC")), os.getenv("WATCHDOG_PID")
  if not microseconds or microseconds <= 0 or pid and pid ~= fs.readlink("/proc/self") then return nil end
  return microseconds / 1e6
end

local function keep_feeding(period)
  while true do
    if not untold[1] then tell("WATCHDOG=1") end
    task.sleep(period / 2)
  end
end

--- Takes over what the service manager has put into the environment, for this process alone, and begins to feed its
--- watchdog. Called once, before any code of a user's runs.
function M.start()
  if not os.getenv("NOTIFY_SOCKET") then return end
  local period = watchdog_period()
  scope = scopes.new("service")
  tell("STATUS=starting")
  if period then task.spawn(keep_feeding, period) end
end

--- The first polls are about to begin, or a reload is over.
function M.ready() tell("READY=1") end

--- A reload begins; `ready` follows, whatever comes of it.
function M.reloading() tell(("RELOADING=1\nMONOTONIC_USEC=%.0f"):format(timer.now() * 1e6)) end

function M.stopping() tell("STOPPING=1\nSTATUS=stopping") end

--- Shows a line in `systemctl status`; the same one is not told again.
---@param text string
function M.status(text)
  if text == status then return end
  status = text
  tell("STATUS=" .. text:gsub("%c", " "))
end

return M
