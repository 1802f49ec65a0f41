-- SPDX-License-Identifier: MIT
--- A service manager of a spec: hears what sd_notify(3) sends, a line for each datagram, `\n` written
--- out. Invariant: it ends with the spec's process.
local process = require("engine.process")
local task = require("engine.task")

local M = {}
M.__index = M

local PATIENCE = require("support.patience")

local PROGRAM = [[
import select, socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1].replace("@", "\0", 1))
print("bound", flush=True)
while True:
    ready = select.select([manager, sys.stdin], [], [])[0]
    if manager in ready:
        print(manager.recv(65536).decode().replace("\n", "\\n"), flush=True)
    elif sys.stdin.buffer.raw.read(1) == b"":
        break
]]

---@param address string as in NOTIFY_SOCKET: a path, or "@" and a name
---@return spec.ServiceManager
function M.start(address)
  local self = setmetatable({ process = assert(process.start({ "python3", "-c", PROGRAM, address, stdin = true })), heard = {} }, M)
  self.arrivals = task.queue()
  self.reader = task.spawn(function()
    for line in self.process:lines() do
      self.heard[#self.heard + 1] = line
      self.arrivals:push(line)
    end
  end)
  self:expect("bound")
  return self
end

--- Waits for the next datagram that holds a Lua pattern; those before it are skipped.
---@param pattern string
---@param seconds? number
---@return string line
function M:expect(pattern, seconds)
  local line = task.timeout(seconds or PATIENCE, function()
    for each in function() return self.arrivals:pop() end do
      if each:find(pattern) then return each end
    end
  end)
  return line or error(("expected %q, heard:\n%s"):format(pattern, table.concat(self.heard, "\n")), 2)
end

--- How many datagrams held a Lua pattern so far.
function M:count(pattern)
  local count = 0
  for _, line in ipairs(self.heard) do
    if line:find(pattern) then count = count + 1 end
  end
  return count
end

--- Ends it; nothing listens any more when this returns.
function M:stop()
  self.reader:cancel()
  self.process:kill("KILL")
  self.process:wait()
  self.process:close()
end

return M
