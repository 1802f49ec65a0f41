-- SPDX-License-Identifier: MIT
--- A system file that is parsed again when it has changed. Looked at once a second at most, when it is asked for; who
--- asks while another task reads it gets what was there before.
local fs = require("engine.fs")
local timer = require("engine.timer")

local M = {}
M.__index = M

local CHECK_EVERY = 1 -- seconds
local MAX_SIZE = 64 * 1024 * 1024 -- bytes

local function pause() timer.sleep(0) end

---@param path string
---@param parse fun(text: string, pause: fun()?): table a long one may call `pause` now and then
function M.new(path, parse) return setmetatable({ path = path, parse = parse, checked_at = -math.huge }, M) end

-- What tells one version from another.
local function stamp_of(path)
  local stat = fs.stat(path)
  return stat and ("%d %d %d %.9f"):format(stat.device, stat.inode, stat.size, stat.mtime) or "missing"
end

-- A file that cannot be read is as before, or else empty, and tried again. The first time there is no pause, since all
-- who ask meanwhile would parse it too.
local function refresh(self)
  local stamp = stamp_of(self.path)
  if stamp == self.stamp then return end
  local text = stamp == "missing" and "" or fs.read(self.path, { max = MAX_SIZE })
  if stamp == self.stamp then return end -- another task was faster
  if text or not self.value then self.value = self.parse(text or "", self.value and pause) end
  self.stamp = text and stamp
end

--- What the file says; may wait.
---@param now number seconds of engine.timer.now()
---@return table value of `parse`; of an empty text where there is no regular file
function M:current(now)
  if now - self.checked_at >= CHECK_EVERY then
    if self.value then self.checked_at = now end
    refresh(self)
    self.checked_at = now
  end
  return self.value
end

return M
