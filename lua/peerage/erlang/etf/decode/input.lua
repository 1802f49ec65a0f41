-- SPDX-License-Identifier: MIT
--- The bytes that are being decoded, and how they are refused.
--- Invariant: no byte is asked for that is not there, so that a count can be believed only as far as there are bytes.
local byte = string.byte

local M = {}

---@class peerage.erlang.Input
---@field data string
---@field last integer its last position
---@field depth integer how deep a term may be nested
---@field most_terms integer
---@field terms integer how many more there may be
---@field message? string why it was refused

-- Ends the decoding: the input itself is what is raised, and caught in M.decode.
function M.fail(input, at, message, ...)
  input.message = ("byte %d: %s"):format(at, message:format(...))
  error(input, 0)
end

local function few(input, at, what) M.fail(input, at, "the bytes end within %s", what) end

-- Refuses `bytes` more from `at` on if they are not there; `...` are numbers for `what`.
function M.need(input, at, bytes, what, ...)
  local left = input.last - at + 1
  if bytes > left then
    M.fail(input, at, "%s, but only %d byte%s left", what:format(...), left, left == 1 and " is" or "s are")
  end
end

function M.u16(input, at, what)
  local a, b = byte(input.data, at, at + 1)
  if not b then few(input, at, what) end
  return a * 256 + b, at + 2
end

function M.u32(input, at, what)
  local a, b, c, d = byte(input.data, at, at + 3)
  if not d then few(input, at, what) end
  return a * 2 ^ 24 + b * 2 ^ 16 + c * 256 + d, at + 4
end

function M.u8(input, at, what)
  local value = byte(input.data, at)
  if not value then few(input, at, what) end
  return value, at + 1
end

return M
