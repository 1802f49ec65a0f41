-- SPDX-License-Identifier: MIT
-- Engines with a secret on one network with somebody who records, reflects, forges and floods, or whose clock is wrong.
local Group = require("support.group")
local Network = require("support.netns")
local eventually = require("support.eventually")
local fs = require("engine.fs")
local process = require("engine.process")
local task = require("engine.task")
local timer = require("engine.timer")

local OLD, NEW = "0123456789abcdef", "fedcba9876543210"
local EXPIRE = 3 -- seconds
local PRIVATE = tonumber("600", 8)

local CONFIG = [[
return {
  name = "%s", via = "udp", connect = "none", sync_offset = 0, interval = 0.5, expire = %d, announce = 0.5,
  log_results = false, %s
  on_change = function(nodes)
    local found = {}
    for _, node in ipairs(nodes) do if node.found then found[#found + 1] = node.name end end
    print("nodes: " .. table.concat(found, " ") .. ";")
  end,
}
]]

-- Before the body of each script that attacks.
local PRELUDE = [[
  local announcement, task = require("peerage.announcement"), require("engine.task")
  local timer, udp = require("engine.timer"), require("engine.udp")
  local PORT, SECRET = 45900, "]] .. OLD .. [["
  io.stdout:setvbuf("no")
  local function join(group)
    return assert(udp.open({ port = PORT, reuse = true, multicast = { group = group, loop = false } }))
  end
  local a, b = join("230.1.1.1"), join("230.1.1.2")
]]

describe("engines with via = \"udp\" and a secret", function()
  if not Network.is_possible() then return pending("network namespaces may not be made here") end

  local group

  setup(function() group = Group.new(4) end)
  teardown(function() group:remove() end)
  before_each(function() group:open() end)
  after_each(function() group:close() end)

  local function name(i) return group:name(i) end

  local function start(i, more, env) return group:start(i, CONFIG:format(name(i), EXPIRE, more .. ","), env) end

  -- Runs a script on the fourth host, which is nobody's.
  local function attack(body)
    local path = group.folder:write("attack.lua", PRELUDE .. body)
    group:run(4, { "run", path })
    return group.daemons[4]
  end

  local function nodes(...)
    local list = {}
    for i, each in ipairs({ ... }) do list[i] = name(each) end
    return "nodes: " .. table.concat(list, " ") .. ";"
  end

  -- What engine `i` has counted for a reason.
  local function count(i, reason)
    local first = #group.daemons[i].log
    group.daemons[i]:signal("USR1")
    group.daemons[i]:expect("counters")
    local counted = 0
    eventually(function()
      for at = first + 1, #group.daemons[i].log do
        counted = tonumber(group.daemons[i].log[at]:match("udp: " .. reason .. ": (%d+)")) or counted
        if group.daemons[i].log[at]:find("udp: unicast: ", 1, true) then return true end
      end
    end)
    return counted
  end

  local function never_said(i, text)
    for _, line in ipairs(group.daemons[i].log) do assert.is_nil(line:find(text, 1, true), line) end
  end

  it("count what they drop by its reason, and SIGUSR1 says it", function()
    start(1, ('secret = "%s", max_nodes = 1'):format(OLD))
    local attacker = attack([[
      local own = a:receive()
      local function sign(name, changes, secret, group)
        local said = { type = "announce", instance = ("i"):rep(8), stamp = timer.wall_clock(), name = name }
        for key, value in pairs(changes or {}) do said[key] = value end
        return announcement.write_signed(said, secret or SECRET, announcement.context(group or "230.1.1.1", PORT))
      end
      local function say(count, data) for _ = 1, count do a:send(data, "230.1.1.1", PORT) end end
      say(1, sign("first@h"))
      say(2, "Peer:plain@h")
      say(3, sign("x@h", nil, "another secret of somebody"))
      say(1, sign("x@h", nil, nil, "230.1.1.2"))
      say(5, sign("x@h", { stamp = timer.wall_clock() - 61e6 }))
      say(6, "Hello")
      say(7, sign("second@h"):sub(1, -2))
      for i = 1, 8 do say(1, sign("more" .. i .. "@h")) end
      for _ = 1, 9 do a:send(sign("u@h"), "]] .. group.network:address(1) .. [[", PORT) end
      for _ = 1, 100 do say(1, own) end
      print("attacked")]])
    attacker:expect("attacked")
    group.daemons[1]:expect("nodes: first@h;")
    eventually(function() return count(1, "own") >= 100 end)
    assert.same({ 2, 4, 5, 13, 8, 9 }, { count(1, "plain"), count(1, "mac"), count(1, "stale"), count(1, "malformed"),
      count(1, "full"), count(1, "unicast") })
    never_said(1, "another engine uses this name")
  end)

  it("are not moved by one who sends all that he hears back, to another group, and to each of them alone", function()
    local secret = ('secret = "%s"'):format(OLD)
    for i = 1, 2 do start(i, secret) end
    start(3, secret .. ', multicast_addr = "230.1.1.2"')
    group.daemons[1]:expect(nodes(2))
    group.daemons[2]:expect(nodes(1))
    attack(([[
      for one, other in pairs({ [a] = b, [b] = a }) do
        task.spawn(function()
          for data in one:messages() do
            one:send(data, one:group(), PORT)
            other:send(data, other:group(), PORT)
            for _, host in ipairs({ "%s", "%s", "%s" }) do one:send(data, host, PORT) end
          end
        end)
      end
      task.sleep(4)
      print("reflected")
      task.sleep(1e6)]]):format(group.network:address(1), group.network:address(2), group.network:address(3)))
    group.daemons[4]:expect("reflected")
    for i = 1, 3 do
      assert.is_true(count(i, "own") > 8 and count(i, "mac") > 4 and count(i, "unicast") > 4)
      never_said(i, "another engine uses this name")
    end
    assert.is_true(count(1, "stale") > 4 and count(2, "stale") > 4)
    never_said(3, "app1@")
    never_said(1, "app3@")
    group.daemons[2]:signal("KILL") -- what is sent back prolongs no life
    group.daemons[2]:wait()
    group.daemons[2] = nil
    group.daemons[1]:expect_next(nodes())
  end)

  it("forget one that is gone though what it said is replayed to one that was started again", function()
    local secret = ('secret = "%s", max_skew = 12'):format(OLD)
    start(1, secret)
    start(2, secret)
    group.daemons[1]:expect(nodes(2))
    attack([[
      local heard = {}
      task.timeout(2.5, function()
        for data in a:messages() do if data:find("app2@", 1, true) then heard[#heard + 1] = data end end
      end)
      print("recorded")
      while true do
        for _, data in ipairs(heard) do a:send(data, "230.1.1.1", PORT) end
        task.sleep(0.1)
      end]])
    group.daemons[4]:expect("recorded")
    group.daemons[2]:signal("KILL")
    local killed = timer.now()
    group.daemons[2]:wait()
    group.daemons[2] = nil
    group.daemons[1]:stop()
    start(1, secret)
    group.daemons[1]:expect(nodes(2)) -- which is all that a replay can do
    group.daemons[1]:expect_next(nodes())
    local lived = timer.now() - killed -- max_skew and expire, 15 s, after its last word
    assert.is_true(lived < 22, lived)
    assert.is_true(count(1, "stale") > 10)
  end)

  it("never lose each other while their secrets are changed in two steps, whatever the order", function()
    local function write(i, ...)
      local text = table.concat({ ... }, "\n") .. "\n"
      assert(fs.write(("%s/secrets%d"):format(group.folder.path, i), text, { mode = PRIVATE }))
    end
    local function change(i, ...)
      write(i, ...)
      group.daemons[i]:expect("the secrets have changed")
    end
    for i = 1, 3 do
      write(i, OLD)
      start(i, ('secret_file = "secrets%d"'):format(i))
    end
    local all = { nodes(2, 3), nodes(1, 3), nodes(1, 2) }
    for i = 1, 3 do group.daemons[i]:expect(all[i]) end
    for _, round in ipairs({ { { 2, 1, 3 }, OLD, NEW }, { { 3, 1, 2 }, NEW, OLD }, { { 1, 3, 2 }, NEW } }) do
      for _, i in ipairs(round[1]) do change(i, unpack(round, 2)) end
      task.sleep(EXPIRE + 0.5) -- after which one is lost whose announcements the others drop
    end
    for i = 1, 3 do
      local last
      for _, line in ipairs(group.daemons[i].log) do
        local now = line:match("nodes: .*")
        assert.is_false(last == all[i] and now ~= nil and now ~= all[i], line)
        last = now or last
      end
      assert.equal(0, count(i, "mac"))
    end
    change(1, OLD) -- the wrong way: it signs with what nobody knows any more
    group.daemons[2]:expect_next(nodes(3))
    assert.is_true(count(2, "mac") > 0)
    change(1, NEW, OLD)
    group.daemons[2]:expect_next(all[2])
  end)

  it("hear those whose clocks are wrong by less than max_skew, and say why they do not hear others", function()
    local preload = process.run({ "faketime", "-f", "+0s", "printenv", "LD_PRELOAD" })
    if not preload or preload.code ~= 0 then return pending("faketime is missing") end
    local function clock(shift)
      return {
        LD_PRELOAD = preload.stdout:match("%S+"), FAKETIME = shift, FAKETIME_DONT_FAKE_MONOTONIC = "1",
        ASAN_OPTIONS = "verify_asan_link_order=0",
      }
    end
    local secret = ('secret = "%s"'):format(OLD)
    start(1, secret)
    start(2, secret, clock("-55s"))
    start(3, secret, clock("+90s"))
    group.daemons[1]:expect(nodes(2))
    group.daemons[2]:expect(nodes(1))
    for i = 1, 3 do
      group.daemons[i]:expect("announcements of a node are out of time: its clock is wrong, or ours, or they are replayed")
    end
    eventually(function() return count(1, "stale") > 2 and count(3, "stale") > 4 end)
    never_said(1, "nodes: " .. name(2) .. " " .. name(3))
    never_said(3, "nodes: app")
    assert.equal(0, count(1, "mac"))
  end)
end)
