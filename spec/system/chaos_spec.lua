-- SPDX-License-Identifier: MIT
-- Five hosts whose links, datagrams and engines fail at random, all at once, for CHAOS_SECONDS; then all must be as
-- before. The schedule follows from CHAOS_SEED, which is printed.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local Network = require("support.netns")
local crypto = require("engine.crypto")
local task = require("engine.task")
local timer = require("engine.timer")
local usage = require("support.usage")

local SECONDS = tonumber(os.getenv("CHAOS_SECONDS") or 15)
local SEED = tonumber(os.getenv("CHAOS_SEED") or crypto.random(2):byte(1) * 256 + crypto.random(2):byte(2))
local HOSTS, RELAY = 5, 6
local EXPIRE, INTERVAL = 5, 1 -- seconds
local SLOWNESS = Daemon.is_sanitized() and 3 or 2 -- of a loaded host, and of the sanitizers
local RECOVERY = SLOWNESS * 2 * (EXPIRE + INTERVAL) -- seconds until all must see all again
local LOSS = 30 -- percent
local SETTLE = SLOWNESS * 10 -- seconds for links that were cut to be missed and made anew, and for what was given up to be collected
local LEEWAY = 3072 -- kilobytes; what a fresh heap grows by between two collections: up to 2540 in 15 runs
local GROUP, PORTS = "230.1.1.1", { 45900, 45901 } -- of clusters links and streams; each host has both to itself

local CONFIG = [[
local function show(cluster)
  return function(nodes)
    local words = {}
    for i, node in ipairs(nodes) do
      words[i] = node.name .. (node.found and " found" or "") .. (node.live and " live" or "")
    end
    print(cluster .. ": " .. table.concat(words, ", ") .. ";")
  end
end

local function udp(port) return { "udp", secret = "0123456789abcdef", port = port, announce = 1, expire = %d } end

return {
  sync_offset = 0, interval = %d, connect_timeout = 2, log_results = false,
  erlang = { cookie = "chaos", ticktime = 4 },
  clusters = {
    links = { via = udp(%d), connect = "erlang", on_change = show("links") },
    streams = { via = udp(%d), connect = { "tcp", port = %d, lost_after = 4 }, on_change = show("streams") },
    host = { via = "host", connect = "none", interval = 0.5 },
  },
}
]]

-- What connector tcp connects to, in the engine itself; and a word on what the process has open.
local PROVIDER = [[
local scopes, task, tcp = require("engine.scope"), require("engine.task"), require("engine.tcp")
local M = {}

function M.serve(self)
  local listener = assert(tcp.listen({ port = %d, keepalive = 2, user_timeout = 4 }))
  while true do
    local stream = assert(listener:accept())
    task.spawn(function()
      repeat until not stream:read()
      stream:close()
    end)
  end
end

function M.poll()
  print(("census: %%d tasks, %%d handles"):format(task.stats(), scopes.handles()))
  return {}
end

return M
]]

-- Park and Miller's "minimal standard": the same numbers for one seed, whoever else draws some.
local function generator(seed)
  local state = seed % 2147483646 + 1
  return function(low, high)
    state = state * 16807 % 2147483647
    return low + (high - low) * state / 2147483647
  end
end

describe("five engines in chaos", function()
  if not Network.is_possible() then return pending("network namespaces may not be made here") end

  local folder, network, daemons, all

  local function name(i) return ("app%d@%s"):format(i, network:address(i)) end

  local function start(i)
    daemons[i] = Daemon.start({ "--name", name(i), folder.path .. "/config.lua" }, { namespace = network.hosts[i] })
    all[#all + 1] = daemons[i]
  end

  before_each(function()
    folder, network, daemons, all = Folder.new(), Network.new(RELAY), {}, {}
    folder:write("config.lua", CONFIG:format(EXPIRE, INTERVAL, PORTS[1], PORTS[2], PORTS[2]))
    folder:write("host.lua", PROVIDER:format(PORTS[2]))
  end)

  after_each(function()
    for _, daemon in ipairs(all) do
      daemon.reader:cancel()
      daemon.process:close()
    end
    network:remove()
    folder:remove()
  end)

  -- The last line that the engine on host `i` wrote with this at its beginning.
  local function last(i, kind)
    local log = daemons[i].log
    for at = #log, 1, -1 do
      local rest = log[at]:match("] " .. kind .. ": (.*)$")
      if rest then return rest end
    end
  end

  local function everyone_but(i)
    local words = {}
    for j = 1, HOSTS do
      if j ~= i then words[#words + 1] = name(j) .. " found live" end
    end
    return table.concat(words, ", ") .. ";"
  end

  -- What an engine does not see as it should; nil when all see all.
  local function gap()
    for i = 1, HOSTS do
      for _, kind in ipairs({ "links", "streams" }) do
        local seen = last(i, kind)
        if seen ~= everyone_but(i) then return ("%s: %s: %s"):format(name(i), kind, seen or "nothing") end
      end
    end
  end

  local function await_all(seconds)
    local began = timer.now()
    while gap() do
      assert(timer.now() - began < seconds, ("not all see all after %d s (seed %d): %s"):format(seconds, SEED, gap() or ""))
      task.sleep(0.05)
    end
    return timer.now() - began
  end

  -- Tasks and handles of all engines: which end of a link was the one that dialled does not matter then.
  local function census()
    local tasks, handles = 0, 0
    for i = 1, HOSTS do
      local t, h = last(i, "census"):match("(%d+) tasks, (%d+) handles")
      tasks, handles = tasks + t, handles + h
    end
    return { tasks = tasks, handles = handles }
  end

  local function descriptors()
    local count = 0
    for i = 1, HOSTS do count = count + usage.of(daemons[i].process.pid).descriptors end
    return count
  end

  local function memory()
    local kilobytes = {}
    for i = 1, HOSTS do kilobytes[i] = usage.of(daemons[i].process.pid).memory end
    return kilobytes
  end

  local accidents = {
    function(i, random)
      network:cut(i)
      task.sleep(random(0.3, 6))
      network:mend(i)
    end,
    function(i, random)
      network:interface(i, "down")
      task.sleep(random(0.3, 6))
      network:interface(i, "up")
    end,
    function(i, random)
      daemons[i]:signal("STOP")
      task.sleep(random(0.3, 6))
      daemons[i]:signal("CONT")
    end,
    function(i, random)
      daemons[i]:signal("KILL")
      daemons[i]:wait()
      task.sleep(random(0, 6))
      start(i)
    end,
    function(i, random)
      local ended = daemons[i]:stop()
      assert(ended.code == 0, ("%s ended with %s"):format(name(i), tostring(ended.code or ended.signal)))
      task.sleep(random(0, 2))
      start(i)
    end,
  }
  local KINDS = { [1] = 3 } -- the engine on host 1 lives through all of it

  -- One accident after the other on host `i`.
  local function strike(i, deadline)
    local random, count = generator(SEED * HOSTS + i), 0
    for _ = 1, 10 do random(0, 1) end -- the first ones of near seeds are near
    while timer.now() < deadline do
      task.sleep(random(0.2, 2))
      accidents[math.floor(random(1, (KINDS[i] or #accidents) + 1))](i, random)
      count = count + 1
    end
    return count
  end

  local function chaos(seconds)
    local arguments = { "run", assert(package.searchpath("support.relay", package.path)), network:address(RELAY), GROUP }
    for _, port in ipairs(PORTS) do arguments[#arguments + 1] = tostring(port) end
    local relay = Daemon.start(arguments, { namespace = network.hosts[RELAY] })
    all[#all + 1] = relay
    for i = 1, HOSTS do network:lose(i, LOSS) end
    local strikes, deadline = {}, timer.now() + seconds
    for i = 1, HOSTS do strikes[i] = function() return strike(i, deadline) end end
    local counts = task.all(strikes)
    for i = 1, HOSTS do network:lose(i, 0) end
    relay:expect("relayed " .. HOSTS) -- it did something, and no accident hit it
    relay:stop()
    return table.concat(counts, " ")
  end

  local function assert_no_errors()
    for _, daemon in ipairs(all) do
      for _, line in ipairs(daemon.log) do
        assert(not line:find(" error ", 1, true) and not line:find("traceback", 1, true), line)
      end
    end
  end

  it("all see all again when it is over, and have nothing more open than before", function()
    if not network:can_lose() then return pending("nft(8) cannot drop datagrams here") end
    for i = 1, HOSTS do start(i) end
    await_all(RECOVERY)
    task.sleep(2)
    local before, opened, resident = census(), descriptors(), memory()
    print(("chaos: CHAOS_SEED=%d, %d s"):format(SEED, SECONDS))

    local counts = chaos(SECONDS)

    local took = await_all(RECOVERY)
    local after
    local began = timer.now()
    repeat
      task.sleep(0.5)
      after = census()
    until timer.now() - began > SETTLE or not gap() and after.tasks <= before.tasks and after.handles <= before.handles
    local settled, grown = timer.now() - began, memory()
    for i in ipairs(grown) do grown[i] = grown[i] - resident[i] end
    print(("chaos: %s accidents; all saw all after %.1f s, and settled after %.1f s; %d to %d tasks, %d to %d handles, %s kB more"):format(
      counts, took, settled, before.tasks, after.tasks, before.handles, after.handles, table.concat(grown, " ")))
    assert.is_nil(gap())
    assert.is_true(after.tasks <= before.tasks, ("%d tasks, before %d"):format(after.tasks, before.tasks))
    assert.is_true(after.handles <= before.handles, ("%d handles, before %d"):format(after.handles, before.handles))
    assert.is_true(descriptors() <= opened, ("%d descriptors, before %d"):format(descriptors(), opened))
    for i, kilobytes in ipairs(grown) do
      assert.is_true(Daemon.is_sanitized() or kilobytes < LEEWAY, ("host %d: %d kB more than before"):format(i, kilobytes))
    end
    assert_no_errors()
  end)
end)
