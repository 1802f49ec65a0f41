-- SPDX-License-Identifier: MIT
--- A provider that is a function and says when it is polled.
local log = require("engine.log")

return {
  via = function()
    log.warn("polled")
    return {}
  end,
  connect = "none", sync_offset = 0, log_level = "warn",
}
