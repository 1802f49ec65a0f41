-- SPDX-License-Identifier: MIT
--- A hosts file, hosts(5): each address is app_name@address. Loopback, unspecified, link-local and multicast ones are no hosts.
local describe = require("peerage.describe")
local entry = require("peerage.formats.entry")
local literal = require("engine.dns.core").literal
local text = require("peerage.formats.text")

local M = { is_bare = true, nobody = "a comment", is_by_lines = true } -- is_bare: lists hosts, which need app_name

-- Unspecified, loopback, link-local, multicast and above.
local NO_HOSTS_V4 = { "^0%.", "^127%.", "^169%.254%.", "^22[4-9]%.", "^2[3-5]%d%." }
local NO_HOSTS_V6 = { "^::1?$", "^fe[0-9ab]%x:", "^ff%x%x:" } -- the same; fe00::/9 is what Debian calls ip6-localnet

-- Takes an address in its usual spelling.
local function is_no_host(address)
  address = address:match("^::ffff:(.*%..*)$") or address
  for _, pattern in ipairs(address:find(":", 1, true) and NO_HOSTS_V6 or NO_HOSTS_V4) do
    if address:find(pattern) then return true end
  end
  return false
end

---@param data string
---@param options { app_name: string }
---@return peerage.Node[]|nil nodes
---@return string? message
function M.read(data, options)
  local nodes = {}
  local ok, message = text.each_line(data, function(line)
    local address = line:match("^%S+")
    local usual = literal(address)
    if not usual then return nil, "expected an address and names, found " .. describe.text(line) end
    if is_no_host(usual) then return true end
    local wrong
    nodes[#nodes + 1], wrong = entry.read("[" .. address .. "]", options.app_name)
    return not wrong, wrong
  end)
  if not ok then return nil, message end
  return nodes
end

return M
