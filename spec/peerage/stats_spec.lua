-- SPDX-License-Identifier: MIT
-- What peerage.stats() says of an engine that runs, from outside and from a provider in it.
local Engine = require("support.engine")
local eventually = require("support.eventually")
local fs = require("engine.fs")
local peerage = require("peerage")

local MB = 2 ^ 20

describe("peerage.stats()", function()
  local host

  before_each(function() host = Engine.new() end)
  after_each(function() host:close() end)

  local function start(text) return assert(host:start('return { name = "me@here", sync_offset = 0, ' .. text .. " }")) end
  local function provider(cluster) return peerage.stats().clusters[cluster or "default"].provider end

  it("says so when no engine runs, or none any more", function()
    assert.same({ nil, "no engine runs here" }, { peerage.stats() })
    start('connect = "none"')
    assert.is_table(peerage.stats())
    host:stop()
    assert.same({ nil, "no engine runs here" }, { peerage.stats() })
  end)

  it("has the process, and each part of each cluster under its name", function()
    start('connect = "none", clusters = { web = {}, cache = { via = { "list", node_list = {} } } }')
    local stats = peerage.stats()
    assert.equal(peerage.version, stats.version)
    assert(stats.process.rss > MB and stats.process.uptime >= 0 and stats.process.lua > 0)
    assert(stats.process.tasks > 0 and stats.process.handles >= 0 and stats.process.raised >= 0)
    local names = {}
    for cluster, parts in pairs(stats.clusters) do
      names[cluster] = { parts.provider.name, parts.connector.name, parts.hooks.name }
    end
    assert.same({ web = { "self", "none" }, cache = { "list", "none" } }, names)
  end)

  it("leaves no descriptor behind", function()
    start('connect = "none"')
    collectgarbage("stop")
    local before = #assert(fs.list("/proc/self/fd"))
    for _ = 1, 20 do assert(peerage.stats().process.rss) end
    local after = #assert(fs.list("/proc/self/fd"))
    collectgarbage("restart")
    assert.equal(before, after)
  end)

  it("charges memory, time, tasks and handles to the part that has them", function()
    start([[connect = "none", interval = 3600, clusters = {
      web = { via = { poll = function(self)
        self.kept = {}
        for i = 1, 3 do self.kept[i] = ("x"):rep(2 ^ 20) .. i end
        local start = os.clock()
        repeat until os.clock() - start > 0.05
        self.scope:run(require("engine.udp").open)
        return {}
      end, serve = function() require("engine.task").sleep(3600) end } }, cache = {} }]])
    eventually(function() return host.engine.clusters.web.last_poll and host.engine.clusters.cache.last_poll end)
    local web, cache = provider("web"), provider("cache")
    assert(web.bytes > 3 * MB and web.bytes < 8 * MB, web.bytes)
    assert(web.cpu >= 0.04 and web.cpu < 1, web.cpu)
    assert(web.tasks >= 1 and web.handles >= 1)
    assert(cache.bytes < MB and cache.cpu < 0.04, ("%d, %g s"):format(cache.bytes, cache.cpu))
    assert.same({ 0, 0 }, { cache.tasks, cache.handles })
  end)

  it("counts what went wrong, by kind", function()
    start([[connect = "none", interval = 3600, timeout = 3, budget = 0.3, memory_limit = "1 MB", clusters = {
      raises = { via = function() error("boom") end },
      breaks = { via = function() return nil end },
      waits = { via = function() require("engine.task").sleep(60) end },
      loops = { via = function() while true do end end },
      grows = { via = function() local t = {} while true do t[#t + 1] = {} end end },
      fine = { via = function() return nil, "away" end },
      hooks = { via = function() return { "a@h" } end, on_up = function() error("boom") end },
    }]])
    eventually(function()
      for _, cluster in pairs(host.engine.clusters) do
        if not cluster.last_poll then return false end
      end
      return peerage.stats().clusters.hooks.hooks.raised == 1
    end)
    local counted = {}
    for name in pairs(host.engine.clusters) do
      local of = provider(name)
      -- What is out of memory starts afresh, and may have been polled again.
      counted[name] = { of.raised, of.timed_out, of.interrupted, math.min(of.out_of_memory, 1) }
    end
    assert.same({
      raises = { 1, 0, 0, 0 }, breaks = { 1, 0, 0, 0 }, waits = { 0, 1, 0, 0 }, loops = { 0, 0, 1, 0 }, grows = { 0, 0, 0, 1 },
      fine = { 0, 0, 0, 0 }, hooks = { 0, 0, 0, 0 },
    }, counted)
  end)

  it("is open to providers, and gives each asker data of its own", function()
    start([[connect = "none", interval = 3600, via = function()
      local stats = require("peerage").stats()
      stats.clusters.default.provider.name = "changed"
      return { require("peerage").stats().clusters.default.provider.name .. "@h" }
    end]])
    eventually(function() return host.engine.clusters.default.last_poll end)
    assert.is_truthy(host.engine.clusters.default.registry:get("function@h"))
  end)

  it("shows limits that a reload brought, without a new start of the provider", function()
    host.folder:write("homies.lua", [[return { poll = function(self)
      self.polls = (self.polls or 0) + 1
      local t = {}
      for i = 1, 6 do t[i] = ("x"):rep(2 ^ 20) .. i end
      return { "n" .. self.polls .. "@h" }
    end }]])
    local text = 'return { name = "me@here", sync_offset = 0, interval = 3600, connect = "none", via = "homies", memory_limit = "%d MB" }'
    host:start(text:format(64))
    host.hearing:expect("n1@h")
    host:save("config.lua", text:format(32), "config.lua: reloaded")
    host.hearing:expect("n2@h")
    assert.equal(0, provider().out_of_memory)
    host:save("config.lua", text:format(4), "not enough memory: it holds")
    eventually(function() return provider().out_of_memory >= 1 end)
  end)

  it("shows in SIGUSR1's answer what each part has", function()
    start('connect = "none", clusters = { web = { via = function() error("boom", 0) end } }')
    eventually(function() return host.engine.clusters.web.last_poll end)
    local text = host.engine:explain()
    for _, pattern in ipairs({ "\n     web: provider function: %d+%.%d MB, %d%.%d+ s of CPU, %d tasks?, %d handles?\n",
      "\n     web: connector none: 0%.0 MB", "\n     web: hook: 0%.0 MB", "\n     web: provider function: raised: 1" }) do
      assert.is_truthy(text:find(pattern), text)
    end
  end)
end)
