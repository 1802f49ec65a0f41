-- SPDX-License-Identifier: MIT
--- The bytes that are being decoded, and how they are refused.
--- Invariant: each count is held against the bytes that are left before anything is made of it.
local byte = string.byte

local M = {}
M.__index = M
M.__name = "peerage.erlang.Input"

local DEPTH, TERMS = 64, 1000000

---@class peerage.erlang.Limits
---@field depth? integer how deep a term may be nested, default 64; along a list is not deep
---@field terms? integer how many terms there may be in it, default 1,000,000; a string counts once

---@class peerage.erlang.Input
---@field data string
---@field last integer its last position
---@field depth integer
---@field left integer how many more terms there may be
---@field message? string why it was refused

---@param data string
---@param limits? peerage.erlang.Limits
---@return peerage.erlang.Input
function M.new(data, limits)
  return setmetatable({
    data = data, last = #data, depth = limits and limits.depth or DEPTH, left = limits and limits.terms or TERMS,
  }, M)
end

--- Ends the decoding: what is raised is the input itself.
---@param at integer where it is wrong
---@param message string a format
function M:fail(at, message, ...)
  self.message = ("byte %d: "):format(at) .. message:format(...)
  error(self, 0)
end

--- Refuses what needs more bytes than there are.
---@param at integer where they begin
---@param bytes integer how many at least
---@param what string a format, whose values follow: "a tuple of %d elements"
function M:need(at, bytes, what, ...)
  local left = self.last - at + 1
  if bytes > left then
    self:fail(at, what .. ", but only " .. left .. (left == 1 and " byte is left" or " bytes are left"), ...)
  end
end

local function end_within(self, what) self:fail(self.last + 1, "the bytes end within " .. what) end

---@param at integer
---@param what string what the number is a part of, for the message: "a list"
---@return integer value, integer next
function M:u8(at, what)
  local value = byte(self.data, at)
  if not value then end_within(self, what) end
  return value, at + 1
end

---@param at integer
---@param what string
---@return integer value, integer next
function M:u16(at, what)
  local a, b = byte(self.data, at, at + 1)
  if not b then end_within(self, what) end
  return a * 256 + b, at + 2
end

---@param at integer
---@param what string
---@return integer value, integer next
function M:u32(at, what)
  local a, b, c, d = byte(self.data, at, at + 3)
  if not d then end_within(self, what) end
  return a * 2 ^ 24 + b * 2 ^ 16 + c * 256 + d, at + 4
end

--- Steps into what holds other terms.
---@param at integer
---@param depth integer of what holds them
---@return integer depth of what it holds
function M:inside(at, depth)
  if depth >= self.depth then self:fail(at, "terms nested deeper than %d", self.depth) end
  return depth + 1
end

return M
