-- SPDX-License-Identifier: MIT
--- What a program says on its standard error. Invariant: what is kept of it is bounded, and so is what it costs to look
--- at, whatever it is.
local describe = require("peerage.describe")
local task = require("engine.task")
local timer = require("engine.timer")
local find, match, sub = string.find, string.match, string.sub

local M = {}
M.__index = M

local MOST = 500 -- bytes that a message has of it
local KEPT = 4096 -- bytes of the end that are kept for one: there may be blanks
local LONGEST = 4096 -- bytes of a line that are kept; the log gets less
local MOST_LINES, PERIOD = 20, 1 -- that are logged, in so many seconds
local PAUSE = 0.05 -- seconds between two reads, of 64 kB each: what says more is held up

--- The end of what was said, without blanks around it, its lines joined by " | ". Linear in its length: no pattern here
--- begins at every byte.
---@param text string
---@return string "" if nothing was said
function M.tail(text)
  local stop = text:match("^.*%S()") or 1
  local first = math.max(1, stop - MOST)
  local said = text:sub(first, stop - 1)
  if first > 1 then said = "…" .. said:match("^[\128-\191]*%s*(.*)$") end -- without the rest of a character
  return (said:match("^%s*(.*)$"):gsub("[\r\n]%s*", " | "))
end

--- A message with the end of what was said of that.
---@param message string
---@param text string
---@return string
function M.add(message, text)
  local said = M.tail(text)
  return said ~= "" and message .. ": " .. said or message
end

--- Begins to log what a program that stays up says, line by line.
---@param name string whose
---@param log engine.log.logger
---@return peerage.exec.Stderr
function M.new(name, log)
  return setmetatable({ name = name, log = log, text = "", line = "", room = MOST_LINES, more = 0, since = timer.now() }, M)
end

local function say(self, line)
  if not find(line, "%S") then return end
  self.room = self.room - 1
  self.log.info(("%s: %s"):format(self.name, describe.message(line)))
end

local function settle(self)
  if self.more > 0 then self.log.info(("%s: %d more lines"):format(self.name, self.more)) end
  self.room, self.more, self.since = MOST_LINES, 0, timer.now()
end

-- Lines beyond what is logged are counted only.
local function skip(self, text, at)
  local rest = match(text, "^.*\n()", at)
  if not rest then return at end
  self.more = self.more + select(2, sub(text, at, rest - 1):gsub("\n", ""))
  return rest
end

local function take(self, chunk)
  if timer.now() - self.since >= PERIOD then settle(self) end
  self.text = sub(self.text .. chunk, -KEPT)
  local text, at = self.line .. chunk, 1
  while self.room > 0 do
    local stop = find(text, "\n", at, true)
    if not stop then break end
    say(self, sub(text, at, stop - 1))
    at = stop + 1
  end
  if self.room == 0 then at = skip(self, text, at) end
  self.line = sub(text, at, at + LONGEST - 1)
end

--- Reads it to its end.
---@param stream engine.tcp.Stream
function M:read(stream)
  for chunk in function() return stream:read() end do
    take(self, chunk)
    task.sleep(PAUSE)
  end
  say(self, self.line)
  settle(self)
end

return M
