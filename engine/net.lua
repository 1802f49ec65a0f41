-- SPDX-License-Identifier: MIT
--- The addresses of this host: the Lua half, for which of them others are told.
local core = require("engine.net.core")
local hostname = require("engine.dns.hostname")

local M = { interfaces = core.interfaces }

-- Which of two addresses serves better to be called by others: the one with more.
local function rate(entry)
  local is_local = entry.loopback or entry.address:find(entry.family == "inet" and "^169%.254%." or "^fe[89ab]%x:")
  if not entry.up or is_local then return 0 end
  return entry.family == "inet" and 2 or 1
end

--- The first address by which other hosts may reach this one: up, not loopback, not link-local, IPv4 before IPv6.
---@return string? address "127.0.0.1" when there is none
---@return string? message
---@return string? code
function M.default_address()
  local entries, message, code = core.interfaces()
  if not entries then return nil, message, code end
  local best, most = "127.0.0.1", 0
  for _, entry in ipairs(entries) do
    if rate(entry) > most then
      best, most = entry.address, rate(entry)
    end
  end
  return best
end

--- Whether it is an address literal, not a name.
---@param text string
---@return boolean
function M.is_address(text) return hostname.parse(text).address ~= nil end

--- Whether an interface of this host has an address.
---@param address string as `interfaces` writes it
---@return boolean
function M.has_address(address)
  for _, entry in ipairs(core.interfaces() or {}) do
    if entry.address == address then return true end
  end
  return false
end

return M
