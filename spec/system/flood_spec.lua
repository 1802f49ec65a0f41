-- SPDX-License-Identifier: MIT
-- A million forged names: memory stays bounded, the loop goes on, and the real members stay known.
local Group = require("support.group")
local Network = require("support.netns")

local FORGED = 1000000
local MOST_LATE, MOST_LATE_ONCE = 50, 250 -- milliseconds, of a timer of 100
local SECRET = "0123456789abcdef"

-- Beside the cluster that is flooded a timer runs. What the process had to wait for a processor is not its own delay; nor
-- what a virtual host takes without a word, so the two latest ticks may be later: a flood makes many late, or none.
local CONFIG = [[
local task, timer = require("engine.task"), require("engine.timer")
local latest = { 0, 0, 0 }

local function waited()
  local file = io.open("/proc/self/schedstat")
  if not file then return 0 end
  local nanoseconds = tonumber(file:read("*a"):match("^%%d+ (%%d+)"))
  file:close()
  return nanoseconds / 1e9
end

return {
  name = "%s", connect = "none", sync_offset = 0, log_results = false,
  clusters = {
    flooded = {
      via = { "udp", announce = 0.5, expire = 3, %s }, interval = 0.5,
      on_change = function(nodes)
        local real = {}
        for _, node in ipairs(nodes) do
          if node.found and node.name:find("^app") then real[#real + 1] = node.name end
        end
        print("real: " .. table.concat(real, " ") .. ";")
        print("all: " .. #nodes .. ";")
      end,
    },
    beside = {
      interval = 0.5,
      via = {
        serve = function()
          local last, had_waited = timer.now(), waited()
          timer.every(0.1, function()
            local now, has_waited = timer.now(), waited()
            latest[4] = now - last - 0.1 - (has_waited - had_waited)
            table.sort(latest, function(a, b) return a > b end)
            last, had_waited = now, has_waited
          end)
          task.sleep(1e6)
        end,
        poll = function()
          print(("late: %%d ms, once: %%d ms, memory: %%d kB;"):format(
            latest[3] * 1000, latest[1] * 1000, collectgarbage("count")))
          return {}
        end,
      },
    },
  },
}
]]

local FLOOD = [[
local announcement, udp = require("peerage.announcement"), require("engine.udp")
local timer = require("engine.timer")
local group = "230.1.1.1"
local socket = assert(udp.open({ port = 45900, reuse = true, multicast = { group = group, loop = false } }))
local tail = ("i"):rep(8) .. ("\0"):rep(8)
local forge = {
  plain = function(i) return ("Peer:forged%%d@10.0.0.1"):format(i) end,
  signed = function(i)
    local name = ("forged%%d@10.0.0.1"):format(i)
    return "Peer2:\1" .. tail .. string.char(#name) .. name .. ("m"):rep(32)
  end,
}
for i = 1, %d do socket:send(forge.%s(i), group, 45900) end
io.stdout:setvbuf("no")
print("flooded")
]]

describe("a flood of forged names", function()
  if not Network.is_possible() then return pending("network namespaces may not be made here") end

  local group

  setup(function() group = Group.new(4) end)
  teardown(function() group:remove() end)
  before_each(function() group:open() end)
  after_each(function() group:close() end)

  local function name(i) return group:name(i) end

  local function start(i, options) return group:start(i, CONFIG:format(name(i), options)) end

  -- What the first engine has said of a number since line `from`: the largest.
  local function largest(word, from)
    local most = 0
    for i = from or 1, #group.daemons[1].log do
      most = math.max(most, tonumber(group.daemons[1].log[i]:match(word .. ": (%d+)")) or 0)
    end
    return most
  end

  local function expect_well(kilobytes)
    group.daemons[1].matched["late: "] = #group.daemons[1].log
    group.daemons[1]:expect("late: ")
    local late, once, memory = largest("late"), largest("once"), largest("memory")
    assert.is_true(late <= MOST_LATE, late .. " ms late")
    assert.is_true(once <= MOST_LATE_ONCE, once .. " ms late, once")
    assert.is_true(memory < kilobytes, memory .. " kB")
  end

  local function never_lost(from)
    for i = from, #group.daemons[1].log do
      local real = group.daemons[1].log[i]:match("real: (.*);$")
      if real then assert.equal(name(2), real) end
    end
  end

  local function counted(reason)
    group.daemons[1]:signal("USR1")
    return tonumber(group.daemons[1]:expect("udp: " .. reason .. ": "):match(": (%d+)$"))
  end

  -- Floods the first engine until it has dropped so many: on a loaded host the kernel drops most before.
  local function flood(count, kind, reason, least)
    for _ = 1, 5 do
      group:run(4, { "run", group.folder:write("flood.lua", FLOOD:format(count, kind)) })
      group.daemons[4]:expect("flooded", 300)
      group.daemons[4]:wait()
      group.daemons[4] = nil
      if counted(reason) > least then return end
    end
    error(("fewer than %d were dropped: %s"):format(least, reason), 2)
  end

  it("fills max_nodes at most, and hides nobody who was there before", function()
    for i = 1, 2 do start(i, "max_nodes = 10000") end
    group.daemons[1]:expect("real: " .. name(2) .. ";")
    local from = #group.daemons[1].log
    flood(FORGED, "plain", "full", 100000)
    expect_well(60000)
    assert.is_true(largest("all", from) <= 10000 and largest("all", from) > 5000)
    never_lost(from)
    assert.is_true(group.daemons[1]:has_said("more nodes announce themselves than max_nodes allows"))
  end)

  it("names nobody where announcements are signed", function()
    local secret = ('secret = "%s"'):format(SECRET)
    for i = 1, 2 do start(i, secret) end
    group.daemons[1]:expect("real: " .. name(2) .. ";")
    local from = #group.daemons[1].log
    flood(FORGED, "signed", "mac", 100000)
    expect_well(10000)
    assert.is_true(largest("all") <= 2)
    never_lost(from)
  end)

  it("leaves room for signed ones where unsigned ones are taken, too", function()
    local secret = ('secret = "%s", accept_plain = true, max_nodes = 1000'):format(SECRET)
    start(1, secret)
    group.daemons[1]:expect("late: ")
    flood(20000, "plain", "full", 1000)
    start(2, secret)
    group.daemons[1]:expect("real: " .. name(2) .. ";")
    assert.is_true(largest("all") <= 501, largest("all"))
  end)
end)
