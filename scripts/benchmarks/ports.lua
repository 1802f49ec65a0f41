-- SPDX-License-Identifier: MIT
--- Ports of the loopback that are free now, for programs that cannot be asked which port they got.
local tcp = require("engine.tcp")
local udp = require("engine.udp")

local M = {}

--- All are open at once, so that they are different ones.
---@param count integer
---@return integer[] ports
function M.tcp(count)
  local listeners, ports = {}, {}
  for i = 1, count do listeners[i] = assert(tcp.listen({ host = "127.0.0.1" })) end
  for i, listener in ipairs(listeners) do
    ports[i] = select(2, listener:address())
    listener:close()
  end
  return ports
end

---@return integer port
function M.udp()
  local socket = assert(udp.open({ port = 0 }))
  local _, port = socket:address()
  socket:close()
  return port
end

return M
