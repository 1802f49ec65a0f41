-- SPDX-License-Identifier: MIT
--- What resolv.conf says, read as libc reads it: servers, search domains, options. c-ares 1.18 does not know all of it.
local literal = require("engine.dns.core").literal

local M = {}

local MAX_SERVERS, MAX_SEARCHES, MAX_NAME = 3, 6, 253
local LIMITS = { ndots = 15, timeout = 30, attempts = 5 }

local function read_servers(servers, words)
  if #servers < MAX_SERVERS and words[1] and not words[1]:find("%", 1, true) then servers[#servers + 1] = literal(words[1]) end
end

local function read_search(words, max)
  local search = {}
  for i = 1, #words do
    local domain = words[i]:gsub("%.$", "")
    if #search < max and domain ~= "" then search[#search + 1] = domain end
  end
  return search
end

local function read_options(options, words)
  for _, word in ipairs(words) do
    local name, value = word:match("^(%l+):(%-?%d*)")
    if LIMITS[name] then options[name] = math.max(0, math.min(LIMITS[name], tonumber(value) or 0)) end
  end
end

---@class engine.dns.ResolvConf
---@field servers string[] addresses; 127.0.0.1 when there are none
---@field search string[] domains without trailing dots
---@field ndots integer names with fewer dots try the search domains first
---@field tries integer
---@field timeout number? seconds in all: `timeout` x `attempts` x servers, as libc would wait; nil unless it says so

--- Reads the text. Lines and options that mean nothing here are passed over.
---@return engine.dns.ResolvConf
function M.parse(text)
  local servers, search, options = {}, {}, { ndots = 1, attempts = 2, timeout = 0 }
  for line in text:gmatch("[^\n]+") do
    local words = {}
    for word in line:gmatch("%S+") do words[#words + 1] = word end
    local key = table.remove(words, 1)
    if key == "nameserver" then read_servers(servers, words) end
    if key == "domain" then search = read_search(words, 1) end
    if key == "search" then search = read_search(words, MAX_SEARCHES) end
    if key == "options" then read_options(options, words) end
  end
  if not servers[1] then servers[1] = "127.0.0.1" end
  local tries = math.max(1, options.attempts)
  local timeout = options.timeout > 0 and options.timeout * tries * #servers or nil
  return { servers = servers, search = search, ndots = options.ndots, tries = tries, timeout = timeout }
end

--- What is to be asked for `name`, in libc's order. Too long ones are passed over.
---@param conf engine.dns.ResolvConf
---@return string[] names at least one
function M.candidates(conf, name)
  local names = {}
  for i, domain in ipairs(conf.search) do names[i] = name .. "." .. domain end
  local _, dots = name:gsub("%.", "")
  table.insert(names, dots >= conf.ndots and 1 or #names + 1, name)
  for i = #names, 1, -1 do
    if #names[i] > MAX_NAME then table.remove(names, i) end
  end
  return names
end

return M
