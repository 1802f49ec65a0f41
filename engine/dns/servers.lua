-- SPDX-License-Identifier: MIT
--- Lists of name servers as text, and which of a list is asked first: one that kept silent comes last from then on.
local literal = require("engine.dns.core").literal

local M = {}

local MAX_KNOWN = 64 -- lists that are remembered
local FORMS = { "^([%d.]+):(%d+)$", "^%[([%x:.]*:[%x:.]*)%]:(%d+)$", "^%[([%x:.]*:[%x:.]*)%]$", "^([%x:.]*)$" }

local known, count = {}, 0

local function read_server(text)
  for _, form in ipairs(FORMS) do
    local host, port = text:match(form)
    port = tonumber(port or 53)
    local address = host and literal(host)
    if address and port >= 1 and port <= 65535 then
      return (address:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(address, port)
    end
  end
end

---@class engine.dns.Servers
---@field all string[] "127.0.0.1:53", "[::1]:5353"
---@field label string for messages: as they were given
---@field text string for the core: in the order in which they are asked, between commas

--- Reads a list of addresses, "address:port" or "[ipv6]:port"; the port is 53 without one.
---@param list string[]
---@return engine.dns.Servers? servers one and the same for the same list
---@return string? message
---@return string? code "EINVAL"
function M.read(list)
  local key = table.concat(list, ",")
  if known[key] then return known[key] end
  local servers = { all = {} }
  for i, text in ipairs(list) do
    servers.all[i] = read_server(text)
    if not servers.all[i] then
      return nil, ('bad server "%s": expected an address, address:port or [ipv6]:port'):format(text), "EINVAL"
    end
  end
  servers.label = table.concat(servers.all, ", ")
  servers.text = table.concat(servers.all, ",")
  if count == MAX_KNOWN then known, count = {}, 0 end
  known[key], count = servers, count + 1
  return servers
end

--- Has the server that answered be asked first, after so many waits in vain.
---@param servers engine.dns.Servers
---@param asked string their text when they were asked
---@param silences integer
function M.prefer(servers, asked, silences)
  if asked ~= servers.text then return end -- others have heard it already
  for _ = 1, silences do table.insert(servers.all, table.remove(servers.all, 1)) end
  servers.text = table.concat(servers.all, ",")
end

return M
