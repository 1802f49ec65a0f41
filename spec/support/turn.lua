-- SPDX-License-Identifier: MIT
--- Lets every task that is ready run once. Waits, so a task whose scope is closed ends here.
local task = require("engine.task")

return function()
  local last = task.spawn(function() end)
  if not last then task.sleep(0) end
  last:join()
end
