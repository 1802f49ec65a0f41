-- SPDX-License-Identifier: MIT
--- Asks for one URL again and again, as provider http does: `peerage-lua run http.lua URL COUNT IN_FLIGHT`. Fails unless each
--- answer has status 200 and a body.
local http = require("engine.http")
local task = require("engine.task")

local url, count, in_flight = arg[1], tonumber(arg[2]), tonumber(arg[3])
local asked, right = 0, 0

local function ask()
  while asked < count do
    asked = asked + 1
    local answer, message = http.request({ url = url })
    if not answer then error(message, 0) end
    if answer.status == 200 and #answer.body > 0 then right = right + 1 end
  end
end

local askers = {}
for i = 1, in_flight do askers[i] = ask end
task.all(askers)
return right == count and 0 or 1
