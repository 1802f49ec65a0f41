-- SPDX-License-Identifier: MIT
--- Secrets of a provider: those of its options and those of a file, one a line.
--- Invariant: a secret never appears in a message.
local fs = require("engine.fs")
local trim = require("engine.trim")

local M = {}

M.MIN = 16 -- bytes
local MAX_FILE = 65536 -- bytes

--- Checks what the option `secret` may be: one secret or a list of them.
---@param value string|string[]
---@return boolean|nil ok
---@return string? message
function M.check(value)
  local list = type(value) == "table" and value or { value }
  if #list == 0 then return nil, "expected at least one secret, found an empty list" end
  for _, secret in ipairs(list) do
    if #secret < M.MIN then return nil, ("expected at least %d bytes, found %d"):format(M.MIN, #secret) end
  end
  return true
end

--- Reads a file of secrets, one a line; blanks around them and empty lines do not count. Waits.
---@param path string
---@return string[]|nil secrets
---@return string? message when others can read it, one is too short, or there are none
function M.read(path)
  local text, message = fs.read(path, { private = true, max = MAX_FILE })
  if not text then return nil, message end
  local secrets, number = {}, 0
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    local secret = trim(line)
    number = number + 1
    if secret ~= "" then
      local ok, why = M.check(secret)
      if not ok then return nil, ("%s:%d: %s"):format(path, number, why) end
      secrets[#secrets + 1] = secret
    end
  end
  if #secrets == 0 then return nil, path .. ": expected a secret a line, found none" end
  return secrets
end

return M
