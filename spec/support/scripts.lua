-- SPDX-License-Identifier: MIT
--- Lets specs `require` the modules of scripts/, from wherever they are run.
local folder = require("engine").root .. "/scripts/?.lua;"
if not package.path:find(folder, 1, true) then package.path = folder .. package.path end
return true
