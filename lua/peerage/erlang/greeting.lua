-- SPDX-License-Identifier: MIT
--- Carries a handshake out over a stream, for either side. How long it may take is the caller's matter.
local M = {}

--- Waits for the verdict. The stream stays open.
---@param machine peerage.Handshake
---@param stream engine.tcp.Stream
---@param on_proved fun(name: string)|nil called when the other side has proved who it is, before it is told so
---@return peerage.HandshakeVerdict verdict
function M.run(machine, stream, on_proved)
  local out, verdict = machine:open()
  while true do
    if on_proved and verdict and verdict.ok then on_proved(verdict.peer.name) end
    if out then stream:write(out) end -- that the stream is broken shows when it is read
    if verdict then return verdict end
    local data = stream:read()
    if not data then return machine:closed() end
    out, verdict = machine:take(data)
  end
end

return M
