-- SPDX-License-Identifier: MIT
--- Cuts what comes over a link into its frames: `Length:32` and so many bytes; without any it is a tick. Pure.
--- Invariant: what is held is at most a frame and what came with its last bytes, in few pieces however small they came.
local read_u32 = require("peerage.big_endian").read_u32
local concat, sub = table.concat, string.sub

local M = {}
M.__index = M

local HEAD = 4 -- bytes of the length
local LOOSE = 256 -- pieces that are joined to one: each costs more than the bytes of a small one

---@param max integer bytes of a frame, without its length
---@return peerage.erlang.Frames
function M.new(max)
  return setmetatable({
    max = max,
    pieces = {}, -- what has come of the next frame, or of several
    size = 0, -- bytes in them
    loose = 0, -- how many of the last are not joined yet
    wanted = HEAD, -- bytes with which it is worth to look again
    text = nil, at = 1, -- what is being cut, and where the next frame begins in it
  }, M)
end

local function join_loose(self)
  local last = #self.pieces
  local first = last - LOOSE + 1
  local joined = concat(self.pieces, "", first, last)
  for i = last, first, -1 do self.pieces[i] = nil end
  self.pieces[first], self.loose = joined, 0
end

--- Adds what has come. All frames before must have been taken.
---@param data string
function M:add(data)
  self.pieces[#self.pieces + 1] = data
  self.size, self.loose = self.size + #data, self.loose + 1
  if self.loose == LOOSE then join_loose(self) end
end

local function keep_rest(self, wanted)
  local rest = sub(self.text, self.at)
  self.pieces, self.size, self.loose, self.wanted, self.text = { rest }, #rest, 1, wanted, nil
end

--- The next whole frame.
---@return string|nil payload "" is a tick; nil: no more has come
---@return string|nil message of a frame that is too long: there will be no next one
function M:next()
  if not self.text then
    if self.size < self.wanted then return nil end
    self.text, self.at = self.pieces[2] and concat(self.pieces) or self.pieces[1], 1
  end
  local left = #self.text - self.at + 1
  if left < HEAD then return keep_rest(self, HEAD) end
  local length = read_u32(self.text, self.at)
  if length > self.max then
    return nil, ("a frame of %d bytes: at most %d are taken, see max_frame"):format(length, self.max)
  end
  if left < HEAD + length then return keep_rest(self, HEAD + length) end
  local from = self.at + HEAD
  self.at = from + length
  return sub(self.text, from, self.at - 1)
end

return M
