-- SPDX-License-Identifier: MIT
--- The options of look-ups: checked, and put together with what resolv.conf says. A table that was read is remembered
--- until it changes.
local servers = require("engine.dns.servers")

local M = {}

local MAX_SERVERS, MAX_SERVER = 8, 62 -- of a list; bytes
local MAX_TIMEOUT, MAX_TRIES = 300, 10
local TIMEOUT, TRIES = 5, 2 -- seconds, where nobody says
local NAMES = {
  addresses = { family = true, servers = true, timeout = true, tries = true },
  query = { servers = true, timeout = true, tries = true },
}
local FAMILIES = { any = true, inet = true, inet6 = true }

local seen = {
  addresses = setmetatable({}, { __mode = "k" }),
  query = setmetatable({}, { __mode = "k" }),
}

local function complain_of_number(value, least, most)
  if type(value) ~= "number" then return "expected a number, found a " .. type(value) end
  if value >= least and value <= most then return nil end
  return ("expected %g to %g, found %.14g"):format(least, most, value)
end

-- For each option what is wrong with a value; nil if nothing is.
local complaints = {}

function complaints.family(value)
  if FAMILIES[value] then return nil end
  local found = type(value) == "string" and ('"%s"'):format(value) or "a " .. type(value)
  return 'expected "any", "inet" or "inet6", found ' .. found
end

function complaints.servers(list)
  local count = type(list) == "table" and #list or 0
  if count == 0 or count > MAX_SERVERS then return ("expected a list of 1 to %d strings"):format(MAX_SERVERS) end
  for i = 1, count do
    local found = type(list[i])
    if found == "string" and #list[i] > MAX_SERVER then found = "long text" end
    if found ~= "string" then return ("expected an address or address:port at %d, found a %s"):format(i, found) end
  end
end

function complaints.timeout(value) return complain_of_number(value, 0.001, MAX_TIMEOUT) end

function complaints.tries(value)
  return complain_of_number(value, 1, MAX_TRIES)
    or value % 1 ~= 0 and ("expected 1 to %d, found %g"):format(MAX_TRIES, value)
end

local function check(options, names)
  if type(options) ~= "table" then error("expected a table of options, found a " .. type(options), 4) end
  for key, value in next, options do
    if not names[key] then error(('unknown option "%s"'):format(tostring(key)), 4) end
    local complaint = complaints[key](value)
    if complaint then error(('option "%s": %s'):format(key, complaint), 4) end
  end
end

local function is_same_list(a, b)
  if not a or not b or #a ~= #b then return a == b end
  for i = 1, #a do
    if a[i] ~= b[i] then return false end
  end
  return true
end

local function is_unchanged(wanted, options)
  return wanted.timeout == options.timeout and wanted.tries == options.tries and wanted.given_family == options.family
    and is_same_list(wanted.servers, options.servers)
end

--- Checks the options of a call; raises, at the caller of its caller, for those that are wrong.
---@param options table
---@param call "addresses"|"query"
---@return table wanted a copy
function M.read(options, call)
  local wanted = seen[call][options]
  if wanted and is_unchanged(wanted, options) then return wanted end
  check(options, NAMES[call])
  wanted = {
    family = options.family or "any", given_family = options.family, timeout = options.timeout, tries = options.tries,
    servers = options.servers and { unpack(options.servers) },
  }
  seen[call][options] = wanted
  return wanted
end

---@class engine.dns.Plan
---@field servers engine.dns.Servers
---@field timeout number seconds in all
---@field tries integer for each server
---@field seconds number what `first_wait` was asked for last, and …
---@field first_wait integer … what it gave

--- Who is asked, and for how long: what the caller wants, else what resolv.conf says of its own servers.
---@param wanted table of `read`
---@param conf engine.dns.ResolvConf with its servers read
---@return engine.dns.Plan? plan
---@return string? message
---@return string? code "EINVAL"
function M.plan(wanted, conf)
  if wanted.plan and (wanted.servers or wanted.conf == conf) then return wanted.plan end
  local list, message, code = conf.servers, nil, nil
  local timeout, tries = conf.timeout, conf.tries
  if wanted.servers then
    list, message, code = servers.read(wanted.servers)
    timeout, tries = nil, nil
  end
  if not list then return nil, message, code end
  timeout, tries = wanted.timeout or timeout or TIMEOUT, wanted.tries or tries or TRIES
  wanted.plan = { servers = list, timeout = timeout, tries = tries, seconds = 0, first_wait = 0 }
  wanted.conf = conf -- last: without memory for a plan the old one does not pass for this file's
  return wanted.plan
end

-- c-ares has a channel for each timing, and they are to be few; but what is left of a scope's time differs at each call.
-- Such a timing is rounded down, and who asks goes on asking in the rest. What people write, as 1 s, stays as it is.
local function round(milliseconds)
  if milliseconds % 100 == 0 then return milliseconds end
  local _, exponent = math.frexp(milliseconds)
  return milliseconds - milliseconds % 2 ^ math.max(0, exponent - 3)
end

--- How long the first try of each server waits, so that all of them take no more than `seconds`: the next ones wait 2,
--- 4, 8, … times as long.
---@param plan engine.dns.Plan
---@param seconds number
---@return integer milliseconds
function M.first_wait(plan, seconds)
  if plan.seconds ~= seconds then
    local waits = #plan.servers.all * (2 ^ plan.tries - 1)
    plan.seconds, plan.first_wait = seconds, math.max(1, math.floor(round(math.ceil(seconds * 1000)) / waits))
  end
  return plan.first_wait
end

return M
