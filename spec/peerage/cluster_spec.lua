-- SPDX-License-Identifier: MIT
-- One cluster's loop: when it polls, what it makes of the answers, and what a connector's word counts.
local Cluster = require("peerage.cluster")
local Hearing = require("support.hearing")
local Registry = require("peerage.registry")
local hostile = require("support.hostile")
local scopes = require("engine.scope")
local supervisor = require("peerage.supervisor")
local task = require("engine.task")
local timer = require("engine.timer")

local PATIENCE = require("support.patience")

describe("a cluster", function()
  local scope, hearing, cluster, siblings

  before_each(function()
    scope, siblings = scopes.new("engine"), {}
    hearing = Hearing.start()
  end)
  after_each(function()
    scope:close()
    hearing:stop()
  end)

  local function part(word, module) return { name = word, options = {}, unit = { name = word, module = module, files = {} } } end

  -- `poll` is the provider's, or a list that is its answer.
  local function start(poll, connector, settings)
    local all = {
      interval = 3600, sync_offset = 0, timeout = 1, connect_timeout = 1, log_results = true, prune = false, prune_after = 1,
    }
    for key, value in pairs(settings or {}) do all[key] = value end
    local answer = type(poll) == "table" and function() return poll end or poll
    cluster = Cluster.start({
      name = "default", settings = all, provider = part("homies", { poll = answer }),
      connector = part("links", connector or { connect = function() return true end, follows_found = true }),
    }, {
      name = "me@here", scope = scope, on_poll = function() end,
      siblings = function(asking) return asking == cluster and siblings or {} end,
    })
    return cluster
  end

  local function await(condition, what)
    local deadline = timer.now() + PATIENCE
    while not condition() do
      if timer.now() > deadline then error("waited in vain for " .. what, 2) end
      task.sleep(0.002)
    end
  end

  local function poll_again()
    local before = cluster.last_poll
    cluster:poll_soon()
    await(function() return cluster.last_poll ~= before end, "another poll")
  end

  local function is_live(name)
    local record = cluster.registry:get(name)
    return record ~= nil and record.live
  end

  it("waits for the interval from the end of a poll", function()
    local starts, ends = {}, {}
    start(function()
      starts[#starts + 1] = timer.now()
      task.sleep(0.15)
      ends[#ends + 1] = timer.now()
      return {}
    end, nil, { interval = 0.1 })
    await(function() return starts[5] end, "five polls")
    local shortest = PATIENCE
    for i = 2, 5 do shortest = math.min(shortest, starts[i] - ends[i - 1]) end
    assert(shortest >= 0.095 and shortest < 0.15, shortest)
  end)

  it("makes one poll of many wishes, at most ten a second, and none of those that a poll has served", function()
    local polls = {}
    start(function()
      polls[#polls + 1] = timer.now()
      return {}
    end)
    await(function() return cluster.last_poll end, "the first poll")
    cluster:poll_soon()
    task.sleep(0.02) -- the loop holds the next poll back: these are served by it
    local expected = 2 + (#polls - 1) -- one more if this host was too slow for that
    for _ = 1, 5 do cluster:poll_soon() end
    await(function() return #polls == expected end, "the last poll")
    task.sleep(0.35)
    assert.equal(expected, #polls)
    assert(polls[2] - polls[1] >= 0.095)
  end)

  it("rests longer after a poll that took long to think, for what is asked for, not for the interval", function()
    local pauses, ended, asks = {}, nil, true
    start(function()
      pauses[#pauses + 1] = ended and timer.now() - ended
      if asks then cluster:poll_soon() end
      local before = os.clock()
      repeat until os.clock() - before >= 0.1
      ended = timer.now()
      return {}
    end, nil, { interval = 10 })
    await(function() return pauses[2] end, "three polls")
    assert(pauses[2] >= 0.38, pauses[2])
    asks, cluster.settings.interval = false, 0.1
    await(function() return pauses[6] end, "three polls after the interval")
    local shortest = math.min(pauses[4], pauses[5], pauses[6])
    assert(shortest < 0.38, shortest)
  end)

  it("goes on after an error of the engine's own in any of its loops", function()
    local delays = supervisor.DELAYS
    supervisor.DELAYS = { first = 0.001, max = 0.001 }
    local calls = task.queue()
    start({ "a@h" }, { connect = function() return true end, nodes = function() return {} end, serve = function(self)
      self:up("b@h")
      task.sleep(0.2)
      self:up("c@h")
      task.sleep(3600)
    end }, { interval = 0.01, on_change = function() calls:push(true) end })
    for _, broken in ipairs({ { cluster.registry, "update" }, { cluster.connector, "on_live" }, { cluster.hooks, "nodes" } }) do
      local object, name = broken[1], broken[2]
      object[name] = function()
        object[name] = name ~= "update" and rawget(cluster, "kept_" .. name) or nil
        error("boom in " .. name, 0)
      end
    end
    local reported = {}
    cluster.kept_on_live, cluster.kept_nodes = function(node) reported[node] = true end, function() return {} end
    for _, name in ipairs({ "the poll loop failed: boom in update", "taking what it reports failed: boom in on_live",
      "calling hooks failed: boom in nodes" }) do
      await(function() return hearing:count(name) == 1 end, name)
    end
    supervisor.DELAYS = delays
    await(function() return reported["c@h"] end, "the second report")
    await(function() return cluster.last_poll end, "a poll")
    cluster.hooks:changed()
    calls:pop()
  end)

  it("stands every answer of a provider, and says what was wrong", function()
    local answers = {
      { function() return 5 end, "poll() returned a number (5): expected a list of nodes" },
      { function() return "a@b" end, "did you forget the braces?" },
      { function() end, "poll() returned nil without a reason" },
      { function() error(nil) end, "poll(): raised nothing instead of a message" },
      { function() error(hostile.table({})) end, "poll(): raised a table instead of a message" },
      { function() return { "good@h", "bad", 5, { "nested@h" } } end, 'poll(): entry 2: expected a node name like' },
      { function() return { [1] = "good@h", [7] = "late@h" } end, "poll(): list: expected no holes, found 2 entries up to index 7" },
      { function() return hostile.table({ hostile.table({ name = "good@h" }) }) end },
      { function() local list = {} for i = 1, 10000 do list[i] = "good@h" end return list end },
      { function() task.sleep(3600) end, "poll(): timed out after 1 s" },
    }
    local at = 0
    start(function() return answers[at][1]() end, nil, { sync_offset = 3600000, timeout = 1 })
    for i, answer in ipairs(answers) do
      at = i
      cluster:poll()
      if answer[2] then hearing:expect(answer[2]) end
    end
    assert.is_true(is_live("good@h"))
    assert.same({ 1, 1 }, { cluster.registry:count() })
  end)

  it("survives a provider that takes its own poll() away", function()
    local module = {}
    function module.poll()
      module.poll = nil
      return { "a@h" }
    end
    start(nil, nil, { sync_offset = 3600000 })
    cluster.provider.unit.module = module
    cluster:poll()
    assert.is_true(is_live("a@h"))
    cluster:poll()
    hearing:expect("poll() is no function any more")
    assert.is_true(is_live("a@h"))
  end)

  it("says in its report that there is no list yet, that it is a part, that it is the last good one", function()
    local answers = { { nil, "no answer" }, { { "a@h" }, "one is away" }, { nil, "no answer" }, { { "a@h" } } }
    local at = 0
    start(function()
      at = at + 1
      return unpack(answers[at], 1, 2)
    end, nil, { sync_offset = 3600000 })
    for _, expected in ipairs({
      "unknown: there is no list yet (no answer)", "partial: others may be missing (one is away)",
      "stale: this is the last good list (no answer)", "discovery every 3600 s\n\n     NAME ",
    }) do
      cluster:poll()
      hearing:expect(expected)
    end
  end)

  it("reports the first hundred of many nodes, and how many more there are", function()
    local list = { "me@here" }
    for i = 1, 250 do list[i + 1] = ("n%03d@h"):format(i) end
    start(list, { connect = function(_, node) return node.name < "n200", "closed" end })
    local said = hearing:expect("… and 151 more").message
    assert.is_truthy(said:find("n099@h +true\n     … and 151 more\n\n     LIVE NODES\n     me@here %(self%)\n"), said)
    assert.is_truthy(said:find("n099@h\n     … and 100 more$"), said)
  end)

  it("reports this node in its place among the live ones, whether it is found or not", function()
    for _, list in ipairs({ { "a@h", "z@h" }, { "a@h", "me@here", "z@h" } }) do
      start(list)
      hearing:expect("LIVE NODES\n     a@h\n     me@here (self)\n     z@h")
      cluster:stop()
    end
    start({ "z@h" })
    hearing:expect("LIVE NODES\n     me@here (self)\n     z@h")
    cluster:stop()
    start({ "a@h" })
    hearing:expect("LIVE NODES\n     a@h\n     me@here (self)")
  end)

  describe("between two polls", function()
    local self

    before_each(function()
      start({ "a@h", "b@h", "c@h", "d@h" }, { connect = function() return true end, serve = function(connector)
        self = connector
        task.sleep(3600)
      end })
      hearing:expect("d@h       true")
    end)

    local function tables() return hearing:count("LIVE NODES") end

    it("reports at once who went down, those of one moment together", function()
      self:down("a@h", "closed")
      task.sleep(0)
      self:down("b@h", "tick timeout")
      local said = hearing:expect("a@h       false (closed)\n     b@h       false (tick timeout)\n     c@h       true")
      assert.equal("info", said.level)
      assert.equal(2, tables())
    end)

    it("reports so at most once a second, and misses nobody", function()
      local started = timer.now()
      self:down("a@h", "closed")
      hearing:expect("a@h       false (closed)")
      for _, name in ipairs({ "b@h", "c@h" }) do
        self:down(name, "closed")
        task.sleep(0.2)
      end
      hearing:expect("b@h       false (closed)\n     c@h       false (closed)\n     d@h       true")
      assert(timer.now() - started > 1)
      assert.equal(3, tables())
    end)

    it("says why one went down that was live before it was tried", function()
      cluster.registry:get("b@h").attempts = nil
      self:down("b@h", "tick timeout")
      hearing:expect("b@h       not tried (tick timeout)")
    end)

    it("says nothing of who comes up or was not live, nor twice what a poll reports", function()
      self:up("x@h")
      self:down("y@h", "closed")
      task.sleep(0.2)
      assert.equal(1, tables())
      self:down("a@h", "closed")
      poll_again()
      hearing:expect("RESULT")
      task.sleep(0.2)
      assert.equal(2, tables())
    end)
  end)

  it("with a function that connects, drops who is not found any more", function()
    local list, downs = { "a@h" }, task.queue()
    start(function() return list end, { connect = function() return true end }, {
      on_down = function(node, reason) downs:push({ node.name, reason }) end,
    })
    await(function() return is_live("a@h") end, "a@h")
    list = {}
    poll_again()
    assert.same({ "a@h", "no longer found" }, (task.timeout(PATIENCE, downs.pop, downs)))
    assert.is_nil(cluster.registry:get("a@h"))
  end)

  it("says ten of the bad names of a connector, and how many there are, at the next poll; and takes no more than it may", function()
    local gate = task.queue()
    start({ "a@h" }, { connect = function() return true end, nodes = function() return nil, "away" end, serve = function(self)
      gate:pop()
      for i = 1, 500 do self:up("bad" .. i) end
      for i = 1, 100 do self:up("good@" .. i) end
      task.sleep(3600)
    end }, { memory_limit = 50 * 512 })
    await(function() return cluster.last_poll end, "the first poll")
    gate:push(true)
    await(function() return cluster.connector.complaints.more > 0 and cluster.connector.reports:count() == 0 end, "reports")
    task.sleep(0.01)
    assert.equal(10, hearing:count("names a node that cannot be"))
    poll_again()
    hearing:expect("more such complaints since the last poll")
    assert(cluster.registry.record_count <= 51, cluster.registry.record_count)
    assert(cluster.registry.record_count >= 50)
  end)

  describe("with a connector that lists its nodes", function()
    local links, list, asked, may_answer

    local function connector(more)
      links = {}
      local module = {
        connect = function(_, node)
          links[node.name] = true
          return true
        end,
        disconnect = function(_, node) links[node.name] = nil end,
        nodes = function()
          local names = {}
          for name in pairs(links) do names[#names + 1] = name end
          if asked then
            asked:push(true)
            may_answer:pop()
          end
          return names
        end,
      }
      for key, value in pairs(more or {}) do module[key] = value end
      return module
    end

    before_each(function() list, asked, may_answer = { "a@h" }, nil, nil end)

    it("counts a node that connected since it was asked as live", function()
      local downs = 0
      start(function() return list end, connector(), { on_down = function() downs = downs + 1 end })
      await(function() return is_live("a@h") end, "a@h")
      asked, may_answer = task.queue(), task.queue()
      cluster:poll_soon()
      asked:pop()
      links["b@h"] = true
      cluster:set_live("b@h", true)
      may_answer:push(true)
      asked = nil
      poll_again()
      assert.is_true(is_live("b@h"))
      assert.equal(0, downs)
    end)

    it("counts a node that went down since it was asked as down", function()
      local ups = 0
      local refusing = connector({ connect = function() return false, "no" end })
      start(function() return list end, refusing, { on_up = function() ups = ups + 1 end })
      await(function() return cluster.last_poll end, "the first poll")
      links["a@h"] = true
      poll_again()
      assert.is_true(is_live("a@h"))
      asked, may_answer = task.queue(), task.queue()
      cluster:poll_soon()
      asked:pop()
      cluster:set_live("a@h", false, "closed")
      links["a@h"], asked = nil, nil
      may_answer:push(true)
      poll_again()
      assert.is_false(is_live("a@h"))
      assert.equal(1, ups)
    end)

    it("prunes nobody whom another cluster finds that shares the connections", function()
      list, siblings[1] = { "a@h", "b@h", "c@h" }, { registry = Registry.new() }
      siblings[1].registry:update({ "a@h" }, { source = "x", now = timer.now(), complete = true })
      local disconnected = task.queue()
      start(function() return list end, connector({ disconnect = function(_, node)
        links[node.name] = nil
        disconnected:push(node.name)
      end }), { prune = "always" })
      for _, name in ipairs(list) do await(function() return is_live(name) end, name) end
      list = { "c@h" }
      poll_again()
      assert.equal("b@h", disconnected:pop())
      assert.is_true(is_live("a@h"))
      siblings[1].registry:update({}, { source = "x", now = timer.now(), complete = true })
      poll_again()
      assert.equal("a@h", disconnected:pop())
      assert.is_false(is_live("a@h"))
    end)

    it("connects anew to a node whose port has changed, unless ports mean nothing to it", function()
      for _, ignores_ports in ipairs({ false, true }) do
        local tried = {}
        list = { { name = "a@h", port = 1 } }
        start(function() return list end, connector({
          ignores_ports = ignores_ports,
          connect = function(_, node)
            tried[#tried + 1], links[node.name] = node.port, true
            return true
          end,
        }))
        await(function() return is_live("a@h") end, "a@h")
        list = { { name = "a@h", port = 2 } }
        for _ = 1, 3 do poll_again() end
        assert.same(ignores_ports and { 1 } or { 1, 2 }, tried)
        assert.is_true(is_live("a@h"))
        cluster:stop()
      end
    end)

    it("prunes beside the loop, though a node goes down meanwhile", function()
      list = { "a@h", "b@h", "c@h" }
      local disconnected = task.queue()
      local module = connector({ disconnect = function(self, node)
        self:down("b@h", "gone by itself")
        disconnected:push(node.name)
        task.sleep(3600)
        links[node.name] = nil
      end })
      start(function() return list end, module, { prune = "always", connect_timeout = 3600 })
      for _, name in ipairs(list) do await(function() return is_live(name) end, name) end
      list = {}
      poll_again() -- it does not wait for disconnect()
      disconnected:pop()
      poll_again() -- the loop goes on
    end)
  end)
end)
