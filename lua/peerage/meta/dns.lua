-- SPDX-License-Identifier: MIT
---@meta engine.dns
--- Looks names up: address literals, the hosts file and localhost without any query, all else at DNS servers.

---@class engine.dns
local M = {}

---@class engine.dns.QueryOptions
---@field servers? string[] 1 to 8 addresses, "address:port" or "[ipv6]:port", instead of resolv.conf's; asked in turn,
---  and one that keeps silent is asked last from then on
---@field timeout? number seconds for the whole look-up, all servers and tries together, at most 300. Default 5; with
---  resolv.conf's servers and its option `timeout`, that times `attempts` times servers. Never more than nine tenths of
---  what the task's scope has left
---@field tries? integer how often each server is asked, 1 to 10; default 2, or resolv.conf's `attempts`

---@class engine.dns.AddressOptions: engine.dns.QueryOptions
---@field family? "any"|"inet"|"inet6" default "any": both, IPv4 first

---@class engine.dns.Address
---@field address string a literal; with the zone of a link-local one that was given as a literal
---@field family "inet"|"inet6"
---@field ttl integer seconds; the least on the way from the name to the record. 0 for what was found without a query

--- Finds the addresses of a host. resolv.conf's search domains complete the name as in libc, unless it ends with a dot.
--- Raises for unknown options and wrong types.
---@param name string at most 253 bytes
---@param options? engine.dns.AddressOptions
---@return engine.dns.Address[]|nil addresses at least one
---@return string? message why there are none; after a success: why one family could not be asked
---@return string? code "ENOTFOUND" (there is no such name) and "ENODATA" (it has no address) are certain; the others say
---  that it could not be found out: "ESERVFAIL" (no server answered usefully: SERVFAIL, REFUSED, NOTIMP, a refused
---  connection, a malformed answer, aliases in a loop), "ETIMEDOUT", "EBADNAME", "EINVAL" (a bad server), "EAGAIN" (10,000
---  look-ups wait), "ENOMEM", "ECANCELED"
function M.addresses(name, options) end

---@class engine.dns.Record
---@field ttl integer seconds
---@field address? string A, AAAA
---@field family? "inet"|"inet6" A, AAAA
---@field target? string SRV, PTR, CNAME, MX, NS: a name without its trailing dot ("." is the root); bytes that would be
---  misread are escaped as in a zone file
---@field text? string TXT: its parts, joined
---@field port? integer SRV
---@field priority? integer SRV, MX
---@field weight? integer SRV

--- Asks DNS servers for records. The name is absolute, with or without a trailing dot. CNAMEs inside an answer are
--- followed. Raises for unknown options, types and wrong types.
---@param name string
---@param type "A"|"AAAA"|"SRV"|"TXT"|"PTR"|"CNAME"|"MX"|"NS"
---@param options? engine.dns.QueryOptions
---@return engine.dns.Record[]|nil records at least one
---@return string? message
---@return string? code as of addresses()
function M.query(name, type, options) end

--- Has the whole process read other files than /etc/hosts and /etc/resolv.conf, which those left out mean. For specs.
---@param paths? { hosts: string?, resolv_conf: string? }
function M.files(paths) end

return M
