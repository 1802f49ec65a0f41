-- SPDX-License-Identifier: MIT
--- Asks for the addresses of name0.DOMAIN to name999.DOMAIN (BENCH_NAMES of them) in turn, as provider dns does:
--- `peerage-lua run dns.lua DOMAIN COUNT IN_FLIGHT ADDRESS:PORT…`, IN_FLIGHT at each server. Fails unless each has one.
local dns = require("engine.dns")
local task = require("engine.task")

local NAMES = tonumber(os.getenv("BENCH_NAMES") or 1000)

local domain, count, in_flight = arg[1], tonumber(arg[2]), tonumber(arg[3])
local names, asked, right = {}, 0, 0
for i = 1, NAMES do names[i] = ("name%d.%s"):format(i - 1, domain) end

local function ask(server)
  local options = { family = "inet", servers = { server } }
  while asked < count do
    local name = names[asked % NAMES + 1]
    asked = asked + 1
    local found, message = dns.addresses(name, options)
    if not found then error(message, 0) end
    if #found == 1 then right = right + 1 end
  end
end

local askers = {}
for i = 4, #arg do
  for _ = 1, in_flight do askers[#askers + 1] = function() ask(arg[i]) end end
end
task.all(askers)
return right == count and 0 or 1
