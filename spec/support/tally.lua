-- SPDX-License-Identifier: MIT
--- The counts of a run: what the last line says.
local M = { passed = 0, failed = 0, skipped = 0 }

---@return string
function M.line()
  local line = ("%d passed, %d failed"):format(M.passed, M.failed)
  return M.skipped > 0 and ("%s, %d skipped"):format(line, M.skipped) or line
end

return M
