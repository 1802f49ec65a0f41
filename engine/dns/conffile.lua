-- SPDX-License-Identifier: MIT
--- A system file that is parsed again when it has changed. Looked at once a second at most, when it is asked for; who
--- asks while it is read gets what was there before, or waits for the first reading. Invariant: what it says is the
--- engine's, read in a task on the engine's account, whoever asks first.
local accounts = require("engine.account")
local fs = require("engine.fs")
local scopes = require("engine.scope")
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

-- A file that cannot be read is as before, or else empty, and tried again.
local function refresh(self)
  local stamp = stamp_of(self.path)
  if stamp == self.stamp then return end
  local text = stamp == "missing" and "" or fs.read(self.path, { max = MAX_SIZE })
  if text or not self.value then self.value = self.parse(text or "", pause) end
  self.stamp = text and stamp
end

-- Its task is in the scope of who asked first: if that closes, the next who waits for it begins anew.
local function await_refresh(self)
  local ok, message
  repeat
    if not self.reader then
      local scope = scopes.new("engine.dns", nil, accounts.engine())
      if not scope then return end
      self.reader = scope:spawn(function()
        refresh(self)
        scope:close()
      end)
    end
    local reader = self.reader
    ok, message = reader:join()
    if self.reader == reader then self.reader = nil end
  until ok ~= nil
  if not ok then error(message, 0) end
end

--- What the file says; may wait.
---@param now number seconds of engine.timer.now()
---@return table value of `parse`; of an empty text where there is no regular file
function M:current(now)
  if now - self.checked_at >= CHECK_EVERY then
    if self.value then self.checked_at = now end
    await_refresh(self)
    self.checked_at = now
  end
  return self.value or self.parse("")
end

return M
