-- SPDX-License-Identifier: MIT
--- What the other side of a handshake says of itself, and whether we can have a link with it.
local flags = require("peerage.erlang.handshake.flags")
local node = require("peerage.node")

local M = {}

---@class peerage.HandshakePeer
---@field name string
---@field flags integer those that both sides offer
---@field creation integer 32 bits
---@field is_hidden boolean

--- Checks what a name message or a challenge says.
---@param said { name: string, flags: integer, creation: integer }
---@param offered integer our flags
---@return peerage.HandshakePeer|nil
---@return string? reason "not allowed" or "protocol"
---@return string? detail
function M.of(said, offered)
  if flags.has(said.flags, flags.NAME_ME) then
    return nil, "not allowed", "it asks to be given a name, which is not supported"
  end
  local name, message = node.check_name(said.name)
  if not name then return nil, "protocol", message end
  local missing = flags.missing(said.flags)
  if missing[1] then return nil, "not allowed", name .. " lacks " .. table.concat(missing, ", ") end
  return {
    name = name, creation = said.creation, flags = flags.common(offered, said.flags),
    is_hidden = not flags.has(said.flags, flags.PUBLISHED),
  }
end

return M
