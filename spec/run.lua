-- SPDX-License-Identifier: MIT
--- Runs specs inside the engine: `peerage-lua run spec/run.lua [PATH|busted option …]`, all under spec/ without a path.
--- The last line is `N passed, N failed` (`, N skipped`); the exit status 1 if any failed. INT and TERM end it with the
--- status 1 and the line "interrupted", and nothing of the specs stays behind.
local folder = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = folder .. "/?.lua;" .. package.path

local leftovers = require("support.leftovers")
local process = require("engine.process")
local scopes = require("engine.scope")
local task = require("engine.task")

local options = {
  "--helper=" .. folder .. "/support/helper.lua",
  "--output=" .. folder .. "/support/summary.lua",
  "--exclude-pattern=/support/",
  "--shuffle-files",
}
for i = 1, #arg do options[#options + 1] = arg[i] end
if not (arg[#arg] and arg[#arg]:sub(1, 1) ~= "-") then options[#options + 1] = folder end
_G.arg = options
options[0] = "spec/run.lua"

-- os.exit, which busted calls after a failure, would end the process before the summary and the clean stop.
local exit, status = os.exit, 0
os.exit = function(code) ---@diagnostic disable-line: duplicate-set-field
  status = (code == true or code == 0) and 0 or 1
  error("busted is done", 0)
end

-- In a scope of their own the specs can be ended wherever they are.
local signals, specs = assert(process.signals("INT", "TERM")), scopes.new()
local running = specs:spawn(function() require("busted.runner")({ standalone = false }) end)
local interrupter = task.spawn(function()
  signals:next()
  specs:close()
end)
local ok, message = running:join()
os.exit = exit
if ok == nil then
  leftovers.remove()
  print("interrupted")
  return 1
end
signals:close()
interrupter:cancel()
if not ok then status = 1 end
if not ok and message ~= nil and message ~= "busted is done" then
  io.stderr:write("busted failed: ", tostring(message), "\n")
end

local summary = require("support.tally")
print(summary.line())
if summary.failed > 0 or summary.passed == 0 then status = 1 end
if summary.skipped > 0 and os.getenv("CI") then status = 1 end
return status
