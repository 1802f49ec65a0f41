-- SPDX-License-Identifier: MIT
--- Counts instructions by callgrind and compares them with what is kept: `peerage-lua run scripts/benchmarks/instructions.lua
--- TOOLS [keep]`. Unlike times they are the same on a busy machine. Each is of one unit of work, by the slope between a run
--- of few and one of many, so that what a start takes is not in it. The last line is `N passed, N failed`.
local scripts = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = ("%s/../?.lua;%s/../../spec/?.lua;%s"):format(scripts, scripts, package.path)

local comparison = require("benchmarks.comparison")
local dns = require("benchmarks.works.dns")
local fs = require("engine.fs")
local http = require("benchmarks.works.http")
local json = require("engine.json")
local poll = require("benchmarks.works.poll")
local process = require("engine.process")
local session = require("benchmarks.session")
local udp = require("benchmarks.works.udp")

local OK, FAILED = 0, 1
local ENGINE, BARE = "peerage-lua", "bare C"
local NODES, POLLS = 5000, 16 -- a list so short that collections of garbage are many: it is not chance how many
local LOOK_UPS, REQUESTS = 20000, 5000

local function datagram(kind, names, few, many, who)
  return function(measure) return udp.count(measure, { kind = kind, names = names, few = few, many = many }, who) end
end

local function node(kind, who)
  return function(measure)
    return poll.cost(measure, { nodes = NODES, changed = 0, kind = kind }, who, POLLS, "instructions") / NODES
  end
end

local function look_up(who)
  return function(measure) return dns.count(measure, LOOK_UPS, who) end
end

local function request(who)
  return function(measure) return http.count(measure, REQUESTS, who) end
end

-- Most of a poll is the provider's own work, the list. Where names are kept it is less, and the engine's share shows.
local COUNTS = {
  { what = "udp, bare C", count = datagram("plain", 1000, 1000, 11000, BARE) },
  { what = "udp, 1000 names", count = datagram("plain", 1000, 5000, 105000, ENGINE) },
  { what = "udp, 10000 names", count = datagram("plain", 10000, 20000, 220000, ENGINE) },
  { what = "udp, signed, 1000 names", count = datagram("signed", 1000, 2000, 6000, ENGINE) },
  { what = "dns, bare C", count = look_up(BARE) },
  { what = "dns, 100 in flight", count = look_up(ENGINE) },
  { what = "http, bare C", count = request(BARE) },
  { what = "http, 200 in flight", count = request(ENGINE) },
  { what = "poll, bare C", count = node("table", BARE) },
  { what = "poll", count = node("table", ENGINE) },
  { what = "poll, names kept", count = node("kept", ENGINE) },
}

-- What a count depends on besides the tree, and the command that says its version.
local VERSIONS = {
  luajit = { "pkg-config", "--modversion", "luajit" },
  libuv = { "pkg-config", "--modversion", "libuv" },
  ["c-ares"] = { "pkg-config", "--modversion", "libcares" },
  libcurl = { "pkg-config", "--modversion", "libcurl" },
  nettle = { "pkg-config", "--modversion", "nettle" },
  libc = { "getconf", "GNU_LIBC_VERSION" },
  compiler = { "sh", "-c", "cc --version | head -n 1" },
  valgrind = { "valgrind", "--version" },
  processor = { "sh", "-c", "sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1" }, -- memcpy(3) is chosen by it
}

local function read_versions()
  local versions = {}
  for what, command in pairs(VERSIONS) do
    local result = process.run(command)
    versions[what] = result and result.code == 0 and result.stdout:match("^%s*(.-)%s*$") or "not known"
  end
  return versions
end

local function read_kept(path)
  local text = fs.read(path)
  if not text then return { versions = {}, figures = {} } end
  local kept, message = json.decode(text)
  if not kept then error(("%s: %s"):format(path, message), 0) end
  return kept
end

-- How many passed and failed.
local function show(rows)
  local passed = 0
  for _, row in ipairs(rows) do
    print(comparison.line(row))
    if row.is_ok then passed = passed + 1 end
  end
  return passed, #rows - passed
end

local function compare(figures, kept)
  local rows, is_counted = {}, {}
  for i, each in ipairs(COUNTS) do
    rows[i] = comparison.compare(each.what, kept.figures[each.what], figures[each.what])
    is_counted[each.what] = true
  end
  for what, figure in pairs(kept.figures) do
    if not is_counted[what] then rows[#rows + 1] = comparison.compare(what, figure, nil) end
  end
  return rows
end

local function conclude(rows, kept, versions, advice)
  print(comparison.head())
  local passed, failed = show(rows)
  if failed > 0 then
    for _, sentence in ipairs(comparison.differences(kept.versions, versions)) do print(sentence) end
    print(advice)
  end
  print(("%d passed, %d failed"):format(passed, failed))
  return failed == 0
end

local function run(measure, is_to_keep)
  local path, figures, versions = measure.scripts .. "/instructions.json", {}, read_versions()
  local kept = read_kept(path)
  for _, each in ipairs(COUNTS) do
    io.stderr:write(each.what, "\n")
    figures[each.what] = each.count(measure)
  end
  dns.stop()
  if not is_to_keep then
    return conclude(compare(figures, kept), kept, versions, "where that is as it should be: scripts/bench --instructions --keep")
  end
  kept = { versions = versions, figures = figures }
  if not conclude(compare(figures, kept), kept, versions, "nothing is kept") then return false end
  assert(fs.write(path, comparison.encode(versions, figures)))
  return true
end

io.stdout:setvbuf("line")
local tools, keep = arg[1], arg[2]
return session.run(scripts, tools, false, function(measure) return run(measure, keep == "keep") end) and OK or FAILED
