-- SPDX-License-Identifier: MIT
--- Lets every task that is ready run once.
local task = require("engine.task")

return function() task.spawn(function() end):join() end
