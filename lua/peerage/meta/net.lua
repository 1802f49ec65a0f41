-- SPDX-License-Identifier: MIT
---@meta engine.net
--- The addresses of this host's interfaces, as they are at the moment of the call.

---@class engine.net
local M = {}

---@class engine.net.Entry one address of one interface
---@field name string "eth0"
---@field index integer the kernel's number of the interface
---@field address string a literal; a link-local one bears its zone: "fe80::1%eth0"
---@field family "inet"|"inet6"
---@field up boolean
---@field multicast boolean whether it can multicast
---@field loopback boolean

--- Lists them in the kernel's order. An interface without an address is not in it.
---@return engine.net.Entry[]|nil entries
---@return string? message
---@return string? code the system's: "ENOBUFS"…
function M.interfaces() end

--- The first address by which other hosts may reach this one: up, not loopback, not link-local, IPv4 before IPv6.
---@return string|nil address "127.0.0.1" when there is none
---@return string? message
---@return string? code
function M.default_address() end

--- Whether it is an address literal ("10.0.0.1", "fe80::1%eth0"), not a name. An interface that a zone names need not be.
---@param text string
---@return boolean
function M.is_address(text) end

--- Whether an interface of this host has an address.
---@param address string as `interfaces` writes it
---@return boolean
function M.has_address(address) end

return M
