-- SPDX-License-Identifier: MIT
--- resolv.conf: whatever stands there, there is a server to ask, a name to ask for, and numbers within bounds.
local literal = require("engine.dns.core").literal
local mutate = require("fuzz.mutate")
local resolvconf = require("engine.dns.resolvconf")
local servers = require("engine.dns.servers")

local M = {}

local LONGEST = 253 -- bytes of a name
local WORDS = {
  "nameserver", "search", "domain", "options", "10.0.0.2", "fd00::53", "fe80::1%eth0", "ndots:5", "ndots:-1", "timeout:2",
  "attempts:99999999999999999999", "ndots:", "timeout:1e9", "a.example", ".", "..", ("d"):rep(250), "#", ";", "\n", "\r", "\t", "\0", "nan",
  "timeout:0", "attempts:0", "timeout:-5", "rotate",
}
local NAMES = { "a", "a.b", "a.b.c.d.e.f", ("x"):rep(63), ("y."):rep(126) .. "z" }

function M.generate()
  local text = mutate.several(1, 8, function()
    local words = { WORDS[math.random(4)] }
    for i = 2, math.random(5) do words[i] = mutate.pick(WORDS) end
    return table.concat(words, " ") .. "\n"
  end)
  return mutate.text(text, WORDS)
end

local function is_between(value, least, most) return type(value) == "number" and value >= least and value <= most end

function M.run(input)
  local conf = resolvconf.parse(input)
  assert(#conf.servers >= 1 and #conf.servers <= 3 and #conf.search <= 6, "too few or too many")
  for _, server in ipairs(conf.servers) do assert(literal(server), "a server that is no address") end
  assert(servers.read(conf.servers), "servers that cannot be asked")
  assert(is_between(conf.ndots, 0, 15) and is_between(conf.tries, 1, 5), "a number out of bounds")
  assert(conf.timeout == nil or is_between(conf.timeout, 1, 30 * 5 * 3), "a time out of bounds")
  for _, name in ipairs(NAMES) do
    local candidates = resolvconf.candidates(conf, name)
    assert(#candidates >= 1 and #candidates <= 7, "nothing to ask for, or too much")
    for _, each in ipairs(candidates) do assert(#each <= LONGEST, "a name that is too long") end
  end
end

return M
