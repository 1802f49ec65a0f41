-- SPDX-License-Identifier: MIT
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local Group = require("support.group")
local Network = require("support.netns")
local task = require("engine.task")
local timer = require("engine.timer")

local CONFIG = [[
return {
  name = "%s", via = "udp", connect = "none", sync_offset = 0, interval = 1, expire = 3, announce = 1, %s
  on_change = function(nodes)
    local live = {}
    for _, node in ipairs(nodes) do if node.live then live[#live + 1] = node.name end end
    print("nodes: " .. table.concat(live, " ") .. ";")
  end,
}
]]

describe("engines with via = \"udp\" on one network", function()
  if not Network.is_possible() then return pending("network namespaces may not be made here") end

  local group

  setup(function() group = Group.new(5) end)
  teardown(function() group:remove() end)
  before_each(function() group:open() end)
  after_each(function() group:close() end)

  local function name(i) return group:name(i) end

  local function start(i, more, as)
    return group:start(i, CONFIG:format(as or name(i), more and more .. "," or ""))
  end

  -- Each but this one, as `on_change` prints them; the engine's own name is among them only if it is found.
  local function others(i, count)
    local list = {}
    for j = 1, count do
      if j ~= i then list[#list + 1] = name(j) end
    end
    return "nodes: " .. table.concat(list, " ") .. ";"
  end

  -- What the others say of it afterwards is not what they said before it came.
  local function kill_third()
    for i = 1, 2 do group.daemons[i]:skip(others(i, 2)) end
    group.daemons[3]:signal("KILL")
    group.daemons[3]:wait()
    group.daemons[3] = nil
  end

  it("all see each other at once, long before they announce themselves again", function()
    for i = 1, 3 do start(i, "announce = 60, expire = 90") end
    local started = timer.now()
    for i = 1, 3 do group.daemons[i]:expect(others(i, 3)) end
    assert.is_true(timer.now() - started < 5, timer.now() - started) -- the processes' own start is in it
  end)

  it("forget one that was killed", function()
    for i = 1, 3 do start(i) end
    for i = 1, 3 do group.daemons[i]:expect(others(i, 3)) end
    kill_third()
    for i = 1, 2 do group.daemons[i]:expect(others(i, 2)) end
  end)

  it("see only those who share their secret", function()
    local secret, other = 'secret = "0123456789abcdef"', 'secret = "fedcba9876543210"'
    for i = 1, 3 do start(i, secret) end
    start(4)
    start(5, other)
    for i = 1, 3 do group.daemons[i]:expect(others(i, 3)) end
    task.sleep(2.5)
    for i = 1, 3 do
      assert.is_false(group.daemons[i]:has_said(name(4)), "the one without a secret was seen")
      assert.is_false(group.daemons[i]:has_said(name(5)), "the one with another secret was seen")
    end
    assert.is_false(group.daemons[5]:has_said("app1@"))
    assert.is_false(group.daemons[4]:has_said("app1@"))
  end)

  -- Records what the group says until app3 has spoken three times, then sends each datagram again and again, as it was and
  -- with a bit flipped, until it is killed.
  local REPLAY = [[
    local task, udp = require("engine.task"), require("engine.udp")
    local multicast = { group = "230.1.1.1" }
    local socket = assert(udp.open({ port = 45900, reuse = true, multicast = multicast }))
    io.stdout:setvbuf("no")
    local recorded, of_third, round = {}, 0, 0
    for data in socket:messages() do
      recorded[#recorded + 1] = data
      if data:find("app3@", 1, true) then of_third = of_third + 1 end
      if of_third == 3 then break end
    end
    print("recorded")
    while true do
      round = round + 1
      for _, data in ipairs(recorded) do
        local at = 1 + (round * 7) % #data
        local flipped = string.char(bit.bxor(data:byte(at), 2 ^ (round % 8)))
        socket:send(data, "230.1.1.1", 45900)
        socket:send(data:sub(1, at - 1) .. flipped .. data:sub(at + 1), "230.1.1.1", 45900)
      end
      task.sleep(0.15)
      if round % 20 == 0 then print("replayed") end
    end
  ]]

  it("are moved neither by recorded datagrams nor by those with a bit flipped, if they share a secret", function()
    for i = 1, 3 do start(i, 'secret = "0123456789abcdef"') end
    for i = 1, 3 do group.daemons[i]:expect(others(i, 3)) end
    group:run(4, { "run", group.folder:write("replay.lua", REPLAY) })
    group.daemons[4]:expect("recorded")
    kill_third()
    for i = 1, 2 do group.daemons[i]:expect(others(i, 2)) end -- the replays go on, and prolong no life
    group.daemons[4]:expect_next("replayed")
    group.daemons[4]:expect("replayed")
    for i = 1, 2 do
      local last
      for _, line in ipairs(group.daemons[i].log) do
        last = line:match("nodes: .*") or last
        local names = line:match("nodes: (.*);$") or ""
        for seen in names:gmatch("%S+") do assert.is_truthy(seen:find("^app[123]@10%.77%.0%.[123]$"), seen) end
      end
      assert.are.equal(others(i, 2), last)
    end
    group.daemons[4]:signal("KILL")
    group.daemons[4]:wait()
    group.daemons[4] = nil
  end)

  it("drop one at once that stops with a secret", function()
    for i = 1, 2 do start(i, 'secret = "0123456789abcdef", announce = 20, expire = 60') end
    group.daemons[1]:expect(others(1, 2))
    group.daemons[2]:stop()
    group.daemons[2] = nil
    group.daemons[1]:expect("nodes: ;")
  end)

  it("say so when two use one name", function()
    start(1, nil, "same@host")
    start(2, nil, "same@host")
    group.daemons[1]:expect("another engine uses this name")
  end)

  it("find each other by an IPv6 group", function()
    for i = 1, 2 do
      local result = require("engine.process").run({ "ip", "-n", group.network.hosts[i], "addr", "add",
        ("fd77::%d/64"):format(i), "dev", "eth0", "nodad" })
      assert(result)
    end
    for i = 1, 2 do start(i, 'multicast_addr = "ff15::4e", ip = "::"') end
    for i = 1, 2 do group.daemons[i]:expect(others(i, 2)) end
  end)
end)

describe("engines with via = \"udp\" on one host", function()
  it("find each other on the loopback interface, without any other", function()
    if not Network.is_possible() then pending("network namespaces may not be made here") end
    local folder = Folder.new()
    local network = Network.new(1)
    require("engine.process").run({ "ip", "-n", network.hosts[1], "link", "set", "eth0", "down" })
    local daemons = {}
    for i = 1, 2 do
      local path = folder:write(("c%d.lua"):format(i), CONFIG:format(("app%d@127.0.0.1"):format(i), ""))
      daemons[i] = Daemon.start({ path }, { namespace = network.hosts[1] })
    end
    daemons[1]:expect("nodes: app2@127.0.0.1;")
    daemons[2]:expect("nodes: app1@127.0.0.1;")
    for i = 1, 2 do daemons[i]:stop() end
    network:remove()
    folder:remove()
  end)
end)
