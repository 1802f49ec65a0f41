-- SPDX-License-Identifier: MIT
-- A running provider: what its self offers, what outlives what, and how it ends.
local Hearing = require("support.hearing")
local Instance = require("peerage.instance")
local accounts = require("peerage.accounts")
local hostile = require("support.hostile")
local log = require("engine.log")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

describe("an instance", function()
  local scope, hearing

  before_each(function()
    scope = scopes.new("cluster")
    hearing = Hearing.start()
  end)
  after_each(function()
    hearing:stop()
    scope:close()
  end)

  local function start(module, more)
    local spec = { unit = { module = module, files = {} }, options = {}, label = "provider x", name = "me@here", scope = scope }
    for key, value in pairs(more or {}) do spec[key] = value end
    return Instance.start(spec)
  end

  local function poll(instance, seconds) return instance:call("poll", seconds or 5) end

  it("gives its functions options, name, state, log, scope and methods", function()
    local asked = 0
    local instance = start({
      poll = function(self) return { self.options.port, self.name, type(self.state), self.passive, self.helper() }, self:poll_soon() end,
      helper = function() return "own" end,
    }, { options = { port = 5 }, passive = true, methods = { poll_soon = function() asked = asked + 1 end } })
    assert.same({ true, { 5, "me@here", "table", true, "own" } }, { poll(instance) })
    assert.equal(1, asked)
  end)

  it("has what its connector shares, and other options when it is handed them", function()
    local shared = {}
    local instance = start({ poll = function(self) return self.shared, self.options.port end }, { shared = shared, options = { port = 5 } })
    local _, got, port = poll(instance)
    assert.equal(shared, got)
    assert.equal(5, port)
    instance:set_options({ port = 6 })
    assert.equal(6, select(3, poll(instance)))
    assert.is_nil(select(2, poll(start({ poll = function(self) return self.shared end }))))
  end)

  describe("that may update", function()
    local told

    local function start_updating(module)
      told = 0
      return start(module, { on_update = function() told = told + 1 end })
    end

    it("answers with what update() was given, once, and the newest of several", function()
      local instance = start_updating({
        poll = function() return { "polled@h" } end,
        go = function(self) self:update({ "old@h" }) self:update({ "a@h" }, "a part") end,
      })
      instance:call("go", 5)
      assert.equal(2, told)
      assert.same({ true, { "a@h" }, "a part" }, { instance:ask(5) })
      assert.same({ true, { "polled@h" } }, { instance:ask(5) })
    end)

    it("keeps what the list was when it was given", function()
      local instance = start_updating({
        poll = function() return { "polled@h" } end,
        go = function(self)
          local list = hostile.table({ "a@h" })
          self:update(list, "a part")
          list[1] = nil
        end,
      })
      instance:call("go", 5)
      assert.same({ true, { "a@h" }, "a part" }, { instance:ask(5) })
    end)

    it("holds it no longer than it runs", function()
      local held = setmetatable({}, { __mode = "k" })
      local instance = start_updating({ go = function(self)
        local node = { name = "a@h" }
        held[node] = true
        self:update({ node })
      end })
      instance:call("go", 5)
      collectgarbage()
      assert.is_truthy(next(held))
      instance:release()
      collectgarbage()
      assert.is_nil(next(held))
    end)

    it("can be made to poll all the same, and keeps the update", function()
      local instance = start_updating({ poll = function() return {} end, go = function(self) self:update({ "a@h" }) end })
      instance:call("go", 5)
      assert.same({ true, {} }, { instance:ask(5, true) })
      assert.same({ true, { "a@h" } }, { instance:ask(5) })
    end)

    it("can say that it cannot find out", function()
      local instance = start_updating({ poll = function() return {} end, go = function(self) self:update(nil, "lost") end })
      instance:call("go", 5)
      assert.same({ true, nil, "lost" }, { instance:ask(5) })
    end)

    it("raises where that is no answer", function()
      for message, list in pairs({
        ["self:update(): given nil without a reason"] = "nil",
        ['self:update(): given "a@h": expected a list of nodes: did you forget the braces?'] = "'a@h'",
        ["self:update(): given one node: expected a list of nodes"] = "{ name = 'a@h' }",
      }) do
        local instance = start_updating({ poll = loadstring("local self = ... self:update(" .. list .. ")") })
        local ok, failure = poll(instance)
        assert.is_false(ok)
        assert.is_truthy(failure.message:find(message, 1, true), failure.message)
        assert.equal(0, told)
      end
    end)

    it("is waited for until it has a list, has ended, or nothing to serve", function()
      local function waits(serve)
        local started = timer.now()
        local instance = start_updating({ poll = function() end, serve = serve })
        instance:await_news(0.2)
        return timer.now() - started >= 0.19
      end
      assert.is_false(waits(function(self) self:update({}) task.sleep(60) end))
      assert.is_false(waits(function() return false end))
      assert.is_false(waits(function() error("boom") end))
      assert.is_false(waits(function(self) self:update(nil, "gone") return nil, "gone" end))
      assert.is_true(waits(function(self) self:update(nil, "not yet") task.sleep(60) end))
    end)
  end)

  it("offers no update where nobody would take it", function()
    assert.is_true(select(2, poll(start({ poll = function(self) return self.update == nil end }))))
  end)

  it("keeps fields of self, for each instance its own", function()
    local module = { poll = function(self) self.count = (self.count or 0) + 1 return self.count end }
    local one, other = start(module), start(module)
    poll(one)
    assert.same({ 2, 1 }, { select(2, poll(one)), select(2, poll(other)) })
    assert.is_nil(module.count)
  end)

  it("logs under its own name, and a broken logger is its own accident", function()
    local module = { poll = function(self) self.log.warn("careful", { a = 1 }) self.log.warn = nil end }
    poll(start(module))
    local said = hearing:expect("careful")
    assert.same({ "warn", "provider x", { a = 1 } }, { said.level, said.source, said.fields })
    assert.is_true((poll(start(module))))
  end)

  it("is named by what its tasks log", function()
    local instance = start({ poll = function(self) self.scope:spawn(function() log.info("from a task") end) end })
    poll(instance)
    assert.equal("provider x", hearing:expect("from a task").source)
  end)

  it("ends with a poll what the poll spawned and opened, but not what runs in its scope", function()
    local ended, outlived = false, task.queue()
    local instance = start({ poll = function(self)
      task.spawn(function() task.sleep(0.01) ended = true end)
      self.ticks = self.scope:run(function()
        task.spawn(function() task.sleep(0.02) outlived:push("outlived") end)
        return timer.every(3600, function() end)
      end)
    end })
    poll(instance)
    assert.equal("outlived", outlived:pop())
    assert.is_false(ended)
    instance:close()
  end)

  it("calls only what the module has, and asks no metatable", function()
    local instance = start(hostile.table({ poll = function() return "polled" end }))
    assert.same({ true, false }, { instance:has("poll"), instance:has("serve") })
    assert.equal("polled", select(2, poll(instance)))
    instance:stop()
  end)

  it("is told why a call failed", function()
    local instance = start({ poll = function() error("boom", 0) end })
    local ok, failure = poll(instance)
    assert.same({ false, "raised", "boom" }, { ok, failure.reason, failure.message })
  end)

  describe("with a serve()", function()
    it("runs it beside the polls", function()
      local instance = start({
        serve = function(self) self.served = true task.sleep(3600) end,
        poll = function(self) return self.served end,
      })
      task.sleep(0.01)
      assert.is_true(select(2, poll(instance)))
    end)

    it("does not run it with serves = false", function()
      local served = false
      start({ serve = function() served = true end, poll = print }, { serves = false })
      task.sleep(0.01)
      assert.is_false(served)
    end)

    it("does not say again what update() was given as the reason of its end", function()
      local ends = task.queue()
      local function serve(said)
        return function(self)
          self:update(nil, said)
          return nil, "gone"
        end
      end
      local function ends_with(said)
        local instance = start({ serve = serve(said) }, {
          on_update = function() end, on_failure = function(failure) ends:push(failure) return true end,
        })
        assert.same({ reason = "ended", message = "gone" }, ends:pop())
        assert.equal(0, instance.failures.counts.raised)
        return hearing:count("serve() ended: gone")
      end
      assert.equal(0, ends_with("gone"))
      assert.equal(1, ends_with("another"))
    end)

    it("counts and tells its ends", function()
      local failures = task.queue()
      local instance = start({ serve = function() error("boom", 0) end }, { on_failure = function(failure) failures:push(failure) end })
      assert.equal("boom", failures:pop().message)
      assert.equal(1, instance.failures.counts.restarts)
      assert.equal("provider x", hearing:expect("serve() failed: boom").source)
    end)
  end)

  describe("that closes its own scope", function()
    it("fails that call, gets a new scope for the next, and serves again", function()
      local starts, polls = 0, 0
      local instance = start({
        serve = function() starts = starts + 1 task.sleep(3600) end,
        poll = function(self)
          polls = polls + 1
          if polls == 1 then self.scope:close() task.sleep(1) end
          return self.scope:is_closed()
        end,
      })
      task.sleep(0)
      local ok, failure = poll(instance)
      assert.same({ false, "closed" }, { ok, failure.reason })
      assert.same({ true, false }, { poll(instance) })
      task.sleep(0.01)
      assert.equal(2, starts)
      hearing:expect("it closed its own scope: it gets a new one")
    end)

    it("stays closed once it has ended", function()
      local instance = start({ poll = print })
      instance:close()
      assert.is_true(instance:is_closed())
      assert.equal("closed", select(2, poll(instance)).reason)
      assert.equal(0, #hearing.said)
    end)
  end)

  it("starts closed in a scope that is closed", function()
    scope:close()
    local instance = start({ poll = print, serve = print })
    assert.equal("closed", select(2, poll(instance)).reason)
    instance:stop()
  end)

  describe("state", function()
    local function state_after(set, state)
      local instance = start({ poll = function(self) set(self) end }, { state = state })
      poll(instance)
      return instance:state(), instance
    end

    local function adopt(state, limit, most)
      local account = accounts.new("provider y", { memory_limit = limit })
      return Instance.adopt(scope, account, "provider y", state, most)
    end

    it("is copied to the next version, so that the old one's stays", function()
      local first, instance = state_after(function(self) self.state.list = { 1 } end)
      assert.same({ list = { 1 } }, first)
      local second = state_after(function(self) self.state.list[1] = 2 end, adopt(first))
      assert.same({ list = { 2 } }, second)
      assert.same({ list = { 1 } }, first)
      assert.same({ list = { 1 } }, instance:state())
    end)

    it("is paid for by who takes it over, and dropped with a message if that one cannot", function()
      local state = { list = {} }
      for i = 1, 50000 do state.list[i] = { i } end
      assert.equal(50000, #adopt(state, 64 * 2 ^ 20).list)
      assert.same({}, adopt(state, 2 ^ 20))
      local said = hearing:expect("self.state is dropped: not enough memory: it holds ")
      assert.same({ "error", "provider y" }, { said.level, said.source })
    end)

    it("is dropped if with it more would be held than there may be", function()
      local state = { list = {} }
      for i = 1, 50000 do state.list[i] = { i } end
      assert.equal(50000, #adopt(state, nil, 64 * 2 ^ 20).list)
      assert.same({}, adopt(state, nil, 2 ^ 20))
      hearing:expect("expected at most 1.0 MB")
    end)

    it("counts what it takes alone, not what else is held", function()
      local account = accounts.new("provider y", {})
      local held = {}
      local filling = scope:child(nil, nil, account)
      filling:run(function() for i = 1, 50000 do held[i] = { i } end end)
      assert(#held == 50000 and account:stats().bytes > 2 ^ 20)
      assert.same({}, Instance.adopt(scope, account, "provider y", {}, 2 ^ 20))
      assert.same({ a = 1 }, Instance.adopt(scope, account, "provider y", { a = 1 }, 2 ^ 20))
      assert.equal(0, hearing:count("dropped"))
      local words = { ("x"):rep(2 ^ 21) }
      words[2], words[words[1]] = words[1], words
      assert.same({}, Instance.adopt(scope, account, "provider y", words, 2 ^ 20))
      hearing:expect("self.state is dropped: it takes 2.0 MB, expected at most 1.0 MB")
    end)

    it("loses what is no plain data, with a warning", function()
      assert.same({ a = 1 }, (state_after(function(self) self.state.a, self.state.refresh = 1, print end)))
      local said = hearing:expect("self.state: refresh: a function does not survive a reload")
      assert.same({ "warn", "provider x" }, { said.level, said.source })
    end)

    it("begins empty when it was no table, and no metamethod runs", function()
      assert.same({}, (state_after(function(self) self.state = 5 end)))
      hearing:expect("self.state: expected a table, found a number (5)")
      assert.same({}, (state_after(function(self) self.state = nil setmetatable(self, { __index = error }) end)))
      assert.same({ a = 1 }, (state_after(function(self) self.state = hostile.table({ a = 1 }) end)))
    end)
  end)

  describe("that stops", function()
    it("says goodbye first, then everything it owns is closed", function()
      local order = {}
      local instance = start({
        serve = function() task.sleep(3600) end,
        stop = function(self) order[#order + 1] = self.name task.sleep(0.01) order[#order + 1] = "goodbye" end,
      })
      instance:stop()
      assert.same({ "me@here", "goodbye" }, order)
      assert.is_true(instance:is_closed())
      assert.is_true(instance.inner:is_closed())
    end)

    it("does not wait more than a second for that", function()
      local started = timer.now()
      start({ stop = function() task.sleep(3600) end }):stop()
      assert(timer.now() - started < 20)
      hearing:expect("stop() failed: timed out after 1 s")
    end)

    it("says when that raised, and stops all the same", function()
      local instance = start({ stop = function() error("boom", 0) end })
      instance:stop()
      hearing:expect("stop() failed: boom")
      assert.is_true(instance:is_closed())
    end)
  end)
end)
