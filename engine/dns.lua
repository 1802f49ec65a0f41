-- SPDX-License-Identifier: MIT
--- Looks names up. What decides on names, files and failures is Lua; `engine.dns.core` asks servers one question.
--- Every look-up waits, if only for the others' turn: a task that looks up in a loop holds nobody up.
local core = require("engine.dns.core")
local conffile = require("engine.conffile")
local hostname = require("engine.hostname")
local hosts = require("engine.hosts")
local limit = require("engine.scope.core").timeout
local resolvconf = require("engine.resolvconf")
local servers = require("engine.servers")
local task = require("engine.task")
local timer = require("engine.timer")
local now, query = timer.now, core.query

local M = {}

local MAX_SERVERS, MAX_SERVER = 8, 62 -- of a list; bytes
local MAX_TIMEOUT, MAX_TRIES = 300, 10
local TIMEOUT, TRIES = 5, 2 -- seconds, where nobody says
local NONE = {}
local TYPES = { A = 1, NS = 2, CNAME = 5, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33 }
local FAMILIES = { any = { "A", "AAAA" }, inet = { "A" }, inet6 = { "AAAA" } }

-- From good to bad: of several failures the worst is told. Those up to CERTAIN make it certain that there is nothing.
local RANKS = { ENOTFOUND = 1, ENODATA = 2, ESERVFAIL = 3, ETIMEDOUT = 4, EAGAIN = 5, ENOMEM = 6, ECANCELED = 7 }
local CERTAIN, LATE = RANKS.ENODATA, RANKS.ETIMEDOUT

local hosts_file, resolv_conf

local function complain_of_number(value, least, most)
  if type(value) ~= "number" then return "expected a number, found a " .. type(value) end
  if not (value >= least and value <= most) then
    return ("expected %g to %g, found %.14g"):format(least, most, value)
  end
end

-- For each option what is wrong with a value; nil if nothing is.
local complaints = {}

function complaints.family(value)
  if FAMILIES[value] then return nil end
  return ('expected "any", "inet" or "inet6", found %s'):format(type(value) == "string" and '"' .. value .. '"' or "a " .. type(value))
end

function complaints.servers(list)
  local count = type(list) == "table" and #list or 0
  if count == 0 or count > MAX_SERVERS then return ("expected a list of 1 to %d strings"):format(MAX_SERVERS) end
  for i = 1, count do
    local found = type(list[i])
    if found ~= "string" or #list[i] > MAX_SERVER then
      return ("expected an address or address:port at %d, found a %s"):format(i, found == "string" and "long text" or found)
    end
  end
end

function complaints.timeout(value) return complain_of_number(value, 0.001, MAX_TIMEOUT) end

function complaints.tries(value)
  return complain_of_number(value, 1, MAX_TRIES)
    or value % 1 ~= 0 and ("expected 1 to %d, found %g"):format(MAX_TRIES, value)
end

local function check(name, options, is_query)
  if type(name) ~= "string" then error(("bad argument #1 (string expected, got %s)"):format(type(name)), 3) end
  if type(options) ~= "table" then error(("expected a table of options, found a %s"):format(type(options)), 3) end
  for key, value in next, options do
    local complain = complaints[key]
    if not complain or is_query and key == "family" then error(('unknown option "%s"'):format(tostring(key)), 3) end
    local complaint = complain(value)
    if complaint then error(('option "%s": %s'):format(key, complaint), 3) end
  end
end

local function return_later(...)
  timer.sleep(0)
  return ...
end

-- Who is asked, and for how long: what the caller wants, else what resolv.conf says of its own servers.
local function plan(options, conf, began)
  local list, message, code = servers.read(options.servers or conf.servers)
  if not list then return nil, message, code end
  local tries, timeout = options.tries, options.timeout
  if not options.servers then
    tries, timeout = tries or conf.tries, timeout or conf.timeout
  end
  local wait = limit(timeout or TIMEOUT)
  return { servers = list, tries = tries or TRIES, wait = wait, left = wait, deadline = began + wait }
end

-- Asks one question, again while there is time: c-ares may give up early, as over TCP, where it tries a server once.
local function ask(how, name, kind)
  local list, left = how.servers, how.left
  while true do
    local asked = list.text
    local records, reason, code, silences = query(name, TYPES[kind], asked, how.wait, how.tries, left)
    if code ~= "ETIMEDOUT" then
      local is_answer = records or RANKS[code] <= CERTAIN
      if is_answer and silences > 0 then servers.prefer(list, asked, silences) end
      return records, reason, code
    end
    left = how.deadline - now()
    if left < how.wait / 8 then return nil, reason, code end
  end
end

-- Asks both questions side by side. Of two answers the first is first; of two failures the worse is told; one of each
-- is a success that says what failed.
local function ask_both(how, name, kinds)
  local answers, message, closed = task.all({
    function() return { ask(how, name, kinds[1]) } end,
    function() return { ask(how, name, kinds[2]) } end,
  })
  if not answers then return nil, message, closed end
  local first, second = answers[1], answers[2]
  local a, b = first[1], second[1]
  if a and b then
    for i = 1, #b do a[#a + 1] = b[i] end
    return a
  end
  local is_first = b or not a and RANKS[first[3]] >= RANKS[second[3]]
  local failure = is_first and first or second
  if (a or b) and RANKS[failure[3]] <= CERTAIN then return a or b end
  return a or b, failure[2], failure[3], is_first and kinds[1] or kinds[2]
end

-- Why `name` has no records of `kind`, in words.
local function explain(how, name, kind, reason, code)
  local label = how.servers.label
  if code == "ETIMEDOUT" then
    local waited = how.wait - (how.deadline - now())
    if waited > how.wait * 7 / 8 then waited = how.wait end -- c-ares rounds its waits down
    return ("no answer from %s to %s %s within %.3g s"):format(label, name, kind, waited)
  end
  if RANKS[code] > LATE then return reason end
  return ("%s: %s %s, asked %s"):format(reason, name, kind, label)
end

-- Asks for `name`, or for each of `names` in turn as long as there is nothing.
local function look_up(how, name, names, kinds)
  local worst, worst_code
  for i = 1, names and #names or 1 do
    local asked = names and names[i] or name
    local records, reason, code, kind
    if kinds[2] then
      records, reason, code, kind = ask_both(how, asked, kinds)
    else
      records, reason, code = ask(how, asked, kinds[1])
    end
    if records and not code then return records end
    if records then return records, explain(how, name, kind, reason, code) end
    if not worst or RANKS[code] > RANKS[worst_code] then
      worst, worst_code = reason, code
    end
    if RANKS[code] >= LATE then break end
    how.left = how.deadline - now()
  end
  if worst_code == "EAGAIN" then timer.sleep(0) end
  return nil, explain(how, name, table.concat(kinds, "/"), worst, worst_code), worst_code
end

--- Finds the addresses of a host. Results as in the stub.
function M.addresses(name, options)
  options = options or NONE
  check(name, options, false)
  local began, kinds = now(), FAMILIES[options.family or "any"]
  local bare, is_absolute = hostname.split(name)
  local found = hosts.answer(hosts_file:current(began), bare, options.family or "any")
  if found and found[1] then return return_later(found) end
  if found then return return_later(nil, ("no such record: %s %s"):format(bare, kinds[1]), "ENODATA") end
  local problem = hostname.find_problem(bare)
  if problem then return return_later(nil, problem, "EBADNAME") end
  local conf = resolv_conf:current(began)
  local how, message, code = plan(options, conf, began)
  if not how then return return_later(nil, message, code) end
  local is_searched = not is_absolute and conf.search[1]
  return look_up(how, bare, is_searched and resolvconf.candidates(conf, bare), kinds)
end

--- Asks for records. Results as in the stub.
function M.query(name, kind, options)
  options = options or NONE
  check(name, options, true)
  if not TYPES[kind] then
    error("bad argument #2 (expected A, AAAA, SRV, TXT, PTR, CNAME, MX or NS)", 2)
  end
  local began, bare = now(), hostname.split(name)
  local problem = hostname.find_problem(bare)
  if problem then return return_later(nil, problem, "EBADNAME") end
  local how, message, code = plan(options, resolv_conf:current(began), began)
  if not how then return return_later(nil, message, code) end
  return look_up(how, bare, nil, { kind })
end

--- Has the whole process read other files than /etc/hosts and /etc/resolv.conf. For specs.
function M.files(paths)
  paths = paths or NONE
  for key, path in next, paths do
    if key ~= "hosts" and key ~= "resolv_conf" then error(('unknown option "%s"'):format(tostring(key)), 2) end
    if type(path) ~= "string" then error(('option "%s": expected a path, found a %s'):format(key, type(path)), 2) end
  end
  hosts_file = conffile.new(paths.hosts or "/etc/hosts", hosts.parse)
  resolv_conf = conffile.new(paths.resolv_conf or "/etc/resolv.conf", resolvconf.parse)
end

M.files()

return M
