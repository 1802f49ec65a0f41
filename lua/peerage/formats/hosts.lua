-- SPDX-License-Identifier: MIT
--- A hosts file, hosts(5): each address is app_name@address. Loopback, unspecified and multicast ones are no hosts.
local describe = require("peerage.describe")
local entry = require("peerage.formats.entry")
local text = require("peerage.formats.text")

local M = { is_bare = true, nobody = "a comment", is_by_lines = true } -- is_bare: lists hosts, which need app_name

local function is_ipv4(address)
  local count = 0
  for part in address:gmatch("[^.]+") do
    if not part:find("^%d%d?%d?$") or tonumber(part) > 255 then return false end
    count = count + 1
  end
  return count == 4 and not address:find("^%.") and not address:find("%.%.") and not address:find("%.$")
end

local function is_ipv6(address)
  local bare = address:gsub("%%[%w_.-]+$", "")
  return bare:find(":", 1, true) and bare:find("^[%x:.]+$") and not bare:find(":::", 1, true)
end

local function is_no_host(address)
  if is_ipv4(address) then
    local first = tonumber(address:match("^%d+"))
    return first == 0 or first == 127 or first >= 224
  end
  return address:find("^[fF][fF]") or address:find("^[0:]*1?$")
end

---@param data string
---@param options { app_name: string }
---@return peerage.Node[]|nil nodes
---@return string? message
function M.read(data, options)
  local nodes = {}
  local ok, message = text.each_line(data, function(line)
    local address = line:match("^%S+")
    if not is_ipv4(address) and not is_ipv6(address) then
      return nil, "expected an address and names, found " .. describe.text(line)
    end
    if is_no_host(address) then return true end
    local wrong
    nodes[#nodes + 1], wrong = entry.read("[" .. address .. "]", options.app_name)
    return not wrong, wrong
  end)
  if not ok then return nil, message end
  return nodes
end

return M
