-- SPDX-License-Identifier: MIT
-- A provider that fails time after time is asked seldom; one that used up its memory starts afresh.
local Cluster = require("peerage.cluster")
local Failing = require("peerage.failing")
local Hearing = require("support.hearing")
local accounts = require("peerage.accounts")
local eventually = require("support.eventually")
local plan = require("peerage.plan")
local rollout = require("peerage.rollout")
local scopes = require("engine.scope")
local status = require("peerage.status")
local task = require("engine.task")
local timer = require("engine.timer")

local MB = 2 ^ 20

describe("a cluster", function()
  local scope, hearing, cluster, period, delay

  before_each(function()
    scope, hearing = scopes.new("engine"), Hearing.start()
    period, delay = Failing.PERIOD, Failing.delay
    Failing.delay = function() return 0.05 end
  end)
  after_each(function()
    scope:close()
    hearing:stop()
    Failing.PERIOD, Failing.delay = period, delay
  end)

  local function part(word, module, account)
    return { name = word, options = {}, unit = { name = word, module = module, files = {} }, account = account }
  end

  local function settings(more)
    local all = {
      interval = 0.1, sync_offset = 0, timeout = 1, connect_timeout = 1, log_results = true, prune = false, prune_after = 1,
      budget = 1, memory_limit = 64 * MB, via = { target = "homies", options = {} }, connect = { target = "none", options = {} },
    }
    for key, value in pairs(more or {}) do all[key] = value end
    return all
  end

  local function planned(provider, more)
    local all = settings(more)
    if not provider.unit then provider = part("homies", provider, accounts.new("provider homies", all)) end
    return {
      name = "default", settings = all, provider = provider,
      connector = part("none", { connect = function() return true end, follows_found = true }),
    }
  end

  local function start(provider, more)
    cluster = Cluster.start(planned(provider, more), {
      name = "me@here", scope = scope, on_poll = function() end, siblings = function() return {} end,
    })
  end

  -- Polls that come as they are wished.
  local function poll_times(count, polls)
    local wanted = polls() + count
    eventually(function()
      cluster:poll_soon()
      return polls() >= wanted
    end)
  end

  describe("whose provider fails time after time", function()
    local polls, answer

    before_each(function() polls, answer = 0, function() error("boom", 0) end end)

    local function fail_until_marked(more)
      start({ poll = function(self)
        polls = polls + 1
        return answer(self)
      end }, more)
      hearing:expect(("it failed 10 times in a row: it is polled every %d s until it succeeds"):format(
        more and more.interval or 60))
    end

    it("says so once, at the tenth, and polls no more until a minute is over", function()
      fail_until_marked()
      assert.equal(10, polls)
      task.sleep(0.35)
      assert.equal(10, polls)
      assert.equal(10, hearing:count("poll(): boom"))
      assert.equal(1, hearing:count("in a row: it is polled"))
    end)

    it("says no more of each poll's failure, and tells of the success that restores it", function()
      Failing.PERIOD = 0.1
      local count = 0
      start({ poll = function() count = count + 1 return answer() end })
      hearing:expect("10 times in a row: it is polled every 0.1 s")
      eventually(function() return count >= 13 end)
      local errors = 0
      for _, said in ipairs(hearing.said) do
        if said.message == "poll(): boom" and said.level == "error" then errors = errors + 1 end
      end
      assert.equal(10, errors)
      answer = function() return { "a@h" } end
      local restored = hearing:expect("it succeeds again: it is polled every 0.1 s")
      assert.equal("info", restored.level)
      assert.is_false(cluster.provider.failures.is_failing)
      task.sleep(0.25)
      assert.equal(1, hearing:count("succeeds again"))
      assert.equal(1, hearing:count("in a row: it is polled"))
    end)

    it("lets no poll_soon of its provider get around that", function()
      answer = function(self)
        self:poll_soon()
        self.scope:spawn(function()
          while true do
            task.sleep(0.01)
            self:poll_soon()
          end
        end)
        error("boom", 0)
      end
      fail_until_marked({ interval = 3600 })
      task.sleep(0.35)
      assert.equal(10, polls)
    end)

    it("keeps a longer interval", function()
      answer = function(self) self:poll_soon() error("boom", 0) end
      start({ poll = function(self) polls = polls + 1 return answer(self) end }, { interval = 300 })
      hearing:expect("it is polled every 300 s until it succeeds")
    end)

    it("does not count nil with a message", function()
      answer = function() return nil, "away" end
      start({ poll = function() polls = polls + 1 return answer() end })
      poll_times(12, function() return polls end)
      assert.is_false(cluster.provider.failures.is_failing)
      assert.equal(0, hearing:count("in a row: it is polled"))
    end)

    it("polls a new version at once, which starts afresh", function()
      fail_until_marked()
      local fresh = 0
      rollout.configure(cluster, planned({ poll = function() fresh = fresh + 1 return { "a@h" } end },
        { via = { target = "other", options = {} } }))
      eventually(function() return fresh >= 3 end)
      assert.same({ 0, false }, { cluster.provider.failures.counts.raised, cluster.provider.failures.is_failing })
    end)

    it("goes on so with the version that it goes back to", function()
      fail_until_marked()
      rollout.configure(cluster, planned({ poll = function() error("worse", 0) end }, { via = { target = "other", options = {} } }))
      hearing:expect("the previous one runs again")
      eventually(function() return polls == 11 end)
      task.sleep(0.25)
      assert.equal(11, polls)
      assert.equal(1, hearing:count("in a row: it is polled"))
    end)

    it("shows it in the table, and to SIGUSR1 with the counts", function()
      fail_until_marked()
      eventually(function()
        local last = hearing.said[#hearing.said]
        return last.level == "info" and last.message:find("discovery every 60 s", 1, true)
          and last.message:find("failing: the provider failed 10 times in a row", 1, true)
      end)
      local state = status.state(cluster)
      assert.same({ 10, 60 }, { state.failing, state.period })
      assert.same({ ["provider homies: raised"] = 10 }, status.counters(cluster))
    end)
  end)

  describe("whose provider used up its memory", function()
    local FULL = "not enough memory: it holds 64.0 MB, memory_limit is 64 MB"
    local lives, polls, serving

    before_each(function() lives, polls, serving = 0, 0, 0 end)

    -- A provider that runs out of memory at the polls that `is_full` says.
    local function greedy(is_full, more)
      local module = { poll = function(self)
        polls = polls + 1
        if not self.is_born then self.is_born, lives = true, lives + 1 end
        self.state.polls = (self.state.polls or 0) + 1
        if is_full(self) then error(FULL, 0) end
        return { "a@h" }
      end }
      for key, value in pairs(more or {}) do module[key] = value end
      return module
    end

    it("says once what to change, and starts it afresh with its state and its nodes", function()
      start(greedy(function(self) return self.state.polls == 2 end))
      local said = hearing:expect("poll(): " .. FULL .. ": see memory_limit")
      assert.equal("error", said.level)
      eventually(function() return lives == 2 end)
      assert.equal(polls, rawget(cluster.provider.self, "state").polls)
      assert.is_true(cluster.registry:get("a@h").found)
      assert.equal(1, hearing:count("poll(): not enough memory"))
      local counts = cluster.provider.failures.counts
      assert.same({ 1, 1 }, { counts.out_of_memory, counts.restarts })
    end)

    it("loads its files again from the texts that it had, with locals as they were at first", function()
      local text = [[local cache = 0
        return { poll = function(self) cache = cache + 1
          self.state.caches = (self.state.caches or "") .. cache
          if cache == 3 then error("not enough memory", 0) end
          return { "n" .. cache .. "@h" } end }]]
      local unit = { name = "homies", path = "/nowhere/homies.lua", files = { ["/nowhere/homies.lua"] = text } }
      local provider = assert(plan.again(require("peerage.loader").PROVIDER, {
        unit = unit, name = "homies", options = {}, account = accounts.new("provider homies", {}) }))
      start(provider)
      hearing:expect("starts afresh")
      eventually(function() return rawget(cluster.provider.self, "state").caches:find("^1231") end)
    end)

    it("drops a state that leaves less than half of the limit, and has that memory back", function()
      local states = {}
      start({ poll = function(self)
        states[#states + 1] = next(self.state) == nil and "empty" or "full"
        if #states > 1 then return {} end
        self.state.kept = {}
        for i = 1, 10 do self.state.kept[i] = ("x"):rep(MB) .. i end
        error(FULL, 0)
      end }, { memory_limit = 16 * MB })
      hearing:expect("self.state is dropped: it takes 10.")
      eventually(function() return #states >= 2 end)
      assert.equal("empty", states[2])
      collectgarbage()
      assert(cluster.provider.account:stats().bytes < MB, cluster.provider.account:stats().bytes)
    end)

    it("waits before it starts it again, ever longer, and asks nothing of it meanwhile", function()
      Failing.delay = delay
      local started = timer.now()
      start(greedy(function() return true end))
      eventually(function() return lives == 3 end)
      assert(timer.now() - started >= 2.4, timer.now() - started)
      assert.equal(3, polls)
    end)

    it("marks it failing if that does not help", function()
      start(greedy(function() return true end))
      hearing:expect("failed 10 times in a row: it is polled every 60 s")
      local before = polls
      task.sleep(0.3)
      assert.equal(before, polls)
    end)

    it("starts all of it again when its serve() runs out of memory", function()
      start(greedy(function() return false end, { serve = function()
        serving = serving + 1
        if serving == 1 then error(FULL, 0) end
        task.sleep(3600)
      end }), { interval = 3600 })
      hearing:expect("serve() failed: " .. FULL .. ": see memory_limit")
      hearing:expect("it lets go of its memory and starts afresh")
      eventually(function() return serving == 2 and lives >= 1 end)
      assert.same({ 1, 1 }, { cluster.provider.failures.counts.out_of_memory, cluster.provider.failures.counts.restarts })
    end)

    it("takes a new version that comes meanwhile, once, and not the old one", function()
      Failing.delay = function() return 1.5 end
      start(greedy(function() return true end))
      hearing:expect("starts afresh")
      local fresh = 0
      rollout.configure(cluster, planned({ poll = function() fresh = fresh + 1 return {} end },
        { via = { target = "other", options = {} } }))
      eventually(function() return fresh > 0 end)
      task.sleep(2)
      assert.equal(1, lives)
    end)

    it("goes back to the version before when a new one runs out of memory at once", function()
      start({ poll = function() return { "a@h" } end })
      eventually(function() return cluster.last_poll end)
      rollout.configure(cluster, planned(greedy(function() return true end), { via = { target = "other", options = {} } }))
      hearing:expect("the previous one runs again: not enough memory")
      eventually(function() return cluster.last_poll.outcome:find("complete") end)
      assert.equal(1, lives)
    end)
  end)
end)
