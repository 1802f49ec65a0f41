-- SPDX-License-Identifier: MIT
--- What a name's addresses are without any query: literals, the table of /etc/hosts, localhost.
local literal = require("engine.dns.core").literal
local byte, find, gmatch, match = string.byte, string.find, string.gmatch, string.match

local M = {}

local DOT = 46
local SLICE = 2000 -- lines between two pauses: some milliseconds
local LOCALHOST = { "127.0.0.1", "::1" }

local function add_name(hosts, name, address)
  if byte(name, -1) == DOT and name ~= "." then name = name:sub(1, -2) end
  local known = hosts[name]
  if not known then
    hosts[name] = address -- most names have one, and a table for each would be dear
  elseif type(known) == "table" then
    known[#known + 1] = address
  else
    hosts[name] = { known, address }
  end
end

--- Reads the text of a hosts file. Lines that mean nothing are passed over, and so are zones.
---@return table<string, string|string[]> hosts the address of each name in lower case, or several in the file's order
---@param pause fun()? called now and then
function M.parse(text, pause)
  local hosts, count, word, address = {}, 0, nil, nil
  for line in gmatch(text:lower(), "[^\n]+") do
    local first, names = match(line, "^%s*([^%s#]+)%s+([^#]*)")
    if first and first ~= word then
      word, address = first, literal(first)
    end
    if first and address then
      for name in gmatch(names, "%S+") do add_name(hosts, name, address) end
    end
    count = count + 1
    if pause and count % SLICE == 0 then pause() end
  end
  return hosts
end

local function add(records, address, wanted)
  local family = find(address, ":", 1, true) and "inet6" or "inet"
  if wanted == "any" or wanted == family then
    records[#records + 1] = { address = address, family = family, ttl = 0 }
  end
end

local function list(addresses, wanted)
  local records = {}
  if type(addresses) == "string" then addresses = { addresses } end
  for _, address in ipairs(addresses) do add(records, address, wanted) end
  return records
end

--- The addresses that need no query.
---@param hosts table<string, string|string[]> of `parse`
---@param host engine.dns.Hostname
---@param family "any"|"inet"|"inet6"
---@return engine.dns.Address[]? records nil when servers must be asked; none for a literal of the other family
function M.answer(hosts, host, family)
  if host.address then return list(host.address, family) end
  local found = hosts[host.key] and list(hosts[host.key], family)
  if found and found[1] then return found end
  return host.is_localhost and list(LOCALHOST, family) or nil
end

return M
