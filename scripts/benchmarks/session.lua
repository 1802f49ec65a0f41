-- SPDX-License-Identifier: MIT
--- Runs what measures, in a folder of its own. Nothing stays behind, also when it is interrupted.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local Measure = require("benchmarks.measure")
local fs = require("engine.fs")
local leftovers = require("support.leftovers")
local process = require("engine.process")
local task = require("engine.task")

local M = {}

---@param scripts string path of scripts/benchmarks
---@param tools string path of what was built of bare/ and tools/
---@param is_quick boolean only to see that all works run
---@param work fun(measure: bench.Measure): any
---@return any result of `work`; nil if it was interrupted or raised, and then stderr has the message
function M.run(scripts, tools, is_quick, work)
  local folder = Folder.new()
  local measure = Measure.new({
    folder = folder, scripts = assert(fs.realpath(scripts)), tools = assert(fs.realpath(tools)), engine = Daemon.binary(),
    quick = is_quick,
  })
  local signals = assert(process.signals("INT", "TERM"))
  local running = task.spawn(work, measure)
  task.spawn(function()
    signals:next()
    running:cancel()
  end)
  local ran, result = running:join()
  if ran == false then io.stderr:write("bench: ", tostring(result), "\n") end
  signals:close()
  leftovers.remove()
  return ran and result or nil
end

return M
