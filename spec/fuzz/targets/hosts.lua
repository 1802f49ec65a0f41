-- SPDX-License-Identifier: MIT
--- The hosts file and names to look up: whatever stands there, what comes out are addresses.
local hostname = require("engine.dns.hostname")
local hosts = require("engine.dns.hosts")
local literal = require("engine.dns.core").literal
local mutate = require("fuzz.mutate")

local M = {}

local MOST_NAMES = 8 -- of a text that are looked up
local WORDS = {
  "127.0.0.1", "::1", "fe80::1%lo", "::ffff:10.0.0.1", "256.1.1.1", "1.2.3", "localhost", "a.b.", ".", "..", "#", "\n",
  "\r\n", "\t", " ", "\0", "\255", "x.localhost", ("a"):rep(64), ("a."):rep(127), "10.0.0.1 a b c # d\n",
}

local function word() return mutate.pick(WORDS) .. mutate.pick({ " ", " ", "\t", "  " }) end

local function line() return word() .. mutate.several(0, 3, word) .. "\n" end

function M.generate() return mutate.text(mutate.several(1, 6, line), WORDS) end

local function check_answer(records, family)
  for _, record in ipairs(records) do
    assert(literal((record.address:gsub("%%.*", ""))), "an address that is none: " .. record.address)
    assert(family == "any" or record.family == family, "an address of another family")
  end
end

local function look_up(table_of_hosts, name)
  local host = hostname.parse(name)
  assert(host.problem == nil or type(host.problem) == "string", "a problem without a message")
  for _, family in ipairs({ "any", "inet", "inet6" }) do
    local records = hosts.answer(table_of_hosts, host, family)
    if records then check_answer(records, family) end
  end
end

function M.run(input)
  local table_of_hosts, count = hosts.parse(input), 0
  for name, found in pairs(table_of_hosts) do
    for _, address in ipairs(type(found) == "table" and found or { found }) do
      assert(literal(address) == address, "an address that is none: " .. tostring(address))
    end
    count = count + 1
    if count <= MOST_NAMES then look_up(table_of_hosts, name) end
  end
  look_up(table_of_hosts, input)
end

return M
