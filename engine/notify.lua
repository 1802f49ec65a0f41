-- SPDX-License-Identifier: MIT
--- What the service manager is told, for engine.process. Invariant: what it put into the environment for this process
--- alone, no child gets.
local core = require("engine.process.core")

local NAMES = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID" }

local address

local function take_address()
  address = os.getenv("NOTIFY_SOCKET")
  for _, name in ipairs(address and NAMES or {}) do core.unset(name) end
end

--- As in the stub.
return function(text)
  if type(text) ~= "string" then error("expected a text, found a " .. type(text), 2) end
  if not address then take_address() end
  if not address then return nil, "cannot notify the service manager: no such file or directory", "ENOENT" end
  return core.notify(address, text)
end
