-- SPDX-License-Identifier: MIT
--- Looks names up. What decides on names, files and failures is Lua; `engine.dns.core` asks servers one question.
--- Every look-up waits, if only for the others' turn: a task that looks up in a loop holds nobody up.
local core = require("engine.dns.core")
local conffile = require("engine.dns.conffile")
local hostname = require("engine.dns.hostname")
local hosts = require("engine.dns.hosts")
local limit = require("engine.scope.core").timeout
local option_tables = require("engine.dns.options")
local resolvconf = require("engine.dns.resolvconf")
local servers = require("engine.dns.servers")
local task = require("engine.task")
local timer = require("engine.timer")
local now, query, parse_name = timer.now, core.query, hostname.parse

local M = {}

local NONE = {}
local TYPES = { A = 1, NS = 2, CNAME = 5, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33 }
local KINDS = { any = { "A", "AAAA" }, inet = { "A" }, inet6 = { "AAAA" } }

-- From good to bad: of several failures the worst is told. Those up to CERTAIN make it certain that there is nothing.
local RANKS = { ENOTFOUND = 1, ENODATA = 2, ESERVFAIL = 3, ETIMEDOUT = 4, EAGAIN = 5, ENOMEM = 6, ECANCELED = 7 }
local CERTAIN, LATE = RANKS.ENODATA, RANKS.ETIMEDOUT

local hosts_file, resolv_conf

local function return_later(...)
  timer.sleep(0)
  return ...
end

-- Asks one question, again while there is time: c-ares may give up early, as over TCP, where it tries a server once.
local function ask(plan, name, kind, wait, deadline)
  local list, first_wait = plan.servers, option_tables.first_wait(plan, wait)
  while true do
    local asked = list.text
    local records, reason, code, silences = query(name, TYPES[kind], asked, plan.tries, first_wait, deadline)
    if code ~= "ETIMEDOUT" then
      if silences and silences > 0 and (records or RANKS[code] <= CERTAIN) then servers.prefer(list, asked, silences) end
      return records, reason, code
    end
    if deadline - now() < wait / 8 then return nil, reason, code end
  end
end

-- Asks both questions side by side. Of two answers the first comes first; of two failures the worse is told; one of
-- each is a success that says what failed.
local function ask_both(plan, name, kinds, wait, deadline)
  local answers, message, closed = task.all({
    function() return { ask(plan, name, kinds[1], wait, deadline) } end,
    function() return { ask(plan, name, kinds[2], wait, deadline) } end,
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
local function explain(label, name, kind, reason, code, wait, deadline)
  if code == "ETIMEDOUT" then
    local waited = wait - (deadline - now())
    if waited > wait * 7 / 8 then waited = wait end -- c-ares rounds its waits down
    return ("no answer from %s to %s %s within %.3g s"):format(label, name, kind, waited)
  end
  if RANKS[code] > LATE then return reason end
  return ("%s: %s %s, asked %s"):format(reason, name, kind, label)
end

-- Asks for `name`, or for each of `names` in turn as long as there is nothing.
local function look_up(plan, name, names, kinds, began)
  local wait = limit(plan.timeout)
  local deadline, label = began + wait, plan.servers.label
  local worst, worst_code
  for i = 1, names and #names or 1 do
    local asked = names and names[i] or name
    local records, reason, code, kind
    if kinds[2] then
      records, reason, code, kind = ask_both(plan, asked, kinds, wait, deadline)
    else
      records, reason, code = ask(plan, asked, kinds[1], wait, deadline)
    end
    if records and not code then return records end
    if records then return records, explain(label, name, kind, reason, code, wait, deadline) end
    if not worst or RANKS[code] > RANKS[worst_code] then
      worst, worst_code = reason, code
    end
    if RANKS[code] >= LATE then break end
  end
  if worst_code == "EAGAIN" then timer.sleep(0) end
  return nil, explain(label, name, table.concat(kinds, "/"), worst, worst_code, wait, deadline), worst_code
end

--- Finds the addresses of a host. Results as in the stub.
function M.addresses(name, options)
  if type(name) ~= "string" then error(("bad argument #1 (string expected, got %s)"):format(type(name)), 2) end
  local wanted = option_tables.read(options or NONE, "addresses")
  local host, began = parse_name(name), now()
  local kinds = KINDS[wanted.family]
  local found = hosts.answer(hosts_file:current(began), host, wanted.family)
  if found and found[1] then return return_later(found) end
  if found then return return_later(nil, ("no such record: %s %s"):format(host.name, kinds[1]), "ENODATA") end
  if host.problem then return return_later(nil, host.problem, "EBADNAME") end
  local conf = resolv_conf:current(began)
  local plan, message, code = option_tables.plan(wanted, conf)
  if not plan then return return_later(nil, message, code) end
  local is_searched = not host.is_absolute and conf.search[1]
  return look_up(plan, host.name, is_searched and resolvconf.candidates(conf, host.name), kinds, began)
end

--- Asks for records. Results as in the stub.
function M.query(name, kind, options)
  if type(name) ~= "string" then error(("bad argument #1 (string expected, got %s)"):format(type(name)), 2) end
  if not TYPES[kind] then error("bad argument #2 (expected A, AAAA, SRV, TXT, PTR, CNAME, MX or NS)", 2) end
  local wanted = option_tables.read(options or NONE, "query")
  local host, began = parse_name(name), now()
  if host.problem then return return_later(nil, host.problem, "EBADNAME") end
  local plan, message, code = option_tables.plan(wanted, resolv_conf:current(began))
  if not plan then return return_later(nil, message, code) end
  return look_up(plan, host.name, nil, { kind }, began)
end

local function parse_resolv_conf(text)
  local conf = resolvconf.parse(text)
  conf.servers = assert(servers.read(conf.servers))
  return conf
end

--- Has the whole process read other files than /etc/hosts and /etc/resolv.conf. For specs.
function M.files(paths)
  paths = paths or NONE
  for key, path in next, paths do
    if key ~= "hosts" and key ~= "resolv_conf" then error(('unknown option "%s"'):format(tostring(key)), 2) end
    if type(path) ~= "string" then error(('option "%s": expected a path, found a %s'):format(key, type(path)), 2) end
  end
  hosts_file = conffile.new(paths.hosts or "/etc/hosts", hosts.parse)
  resolv_conf = conffile.new(paths.resolv_conf or "/etc/resolv.conf", parse_resolv_conf)
end

M.files()

return M
