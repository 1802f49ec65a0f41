-- SPDX-License-Identifier: MIT
-- Who is tried when: the order, how many at a time, how long a dead one waits, and that nothing piles up.
local Dialer = require("peerage.dialer")
local Registry = require("peerage.registry")
local garbage = require("support.garbage")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local AT_ONCE = 64

describe("the dialer", function()
  local scope, registry, dialer, tried, open, results, settings, answer

  -- An attempt waits until the spec answers it, unless `answer` does.
  local function attempt(record)
    tried[#tried + 1] = record.name
    if answer then return answer(record) end
    local gate = task.queue(1)
    open[record.name] = gate
    return unpack(gate:pop())
  end

  local function make(asks_again)
    dialer = Dialer.new(scope, registry, settings, asks_again or false, attempt, function(record, ok, reason, is_news)
      results[#results + 1] = { name = record.name, ok = ok, reason = reason, is_news = is_news }
      if ok then registry:set_live(record.name, true, timer.now()) end
      if asks_again and not ok and registry:set_live(record.name, false, timer.now(), reason) then dialer:lost(record.name) end
    end)
  end

  before_each(function()
    scope, registry, settings = scopes.new(), Registry.new(), { interval = 10 }
    tried, open, results, answer = {}, {}, {}, nil
    make()
  end)
  after_each(function() scope:close() end)

  local function poll(list)
    local changes = registry:update(list, { source = "x", now = timer.now(), complete = true })
    for _, names in ipairs({ changes.changed, changes.added }) do
      for _, name in ipairs(names) do dialer:offer(name) end
    end
    dialer:retry()
    dialer:pump()
    task.sleep(0)
    return changes
  end

  local function finish(name, ok, reason)
    open[name]:push({ ok, reason })
    open[name] = nil
    task.sleep(0)
  end

  it("tries one that is live when it is claimed, and waits for that; not one that it is trying", function()
    registry:update({ "a@h", "b@h" }, { source = "x", now = timer.now(), complete = true })
    registry:set_live("a@h", true, timer.now())
    local claiming = task.spawn(function() dialer:claim(registry:get("a@h")) end)
    task.sleep(0)
    dialer:claim(registry:get("a@h"))
    assert.same({ "a@h" }, tried)
    finish("a@h", true)
    claiming:wait()
    assert.same({ 1, dialer }, { registry:get("a@h").attempts, registry:get("a@h").dialed_by })
    dialer:offer("b@h")
    dialer:pump()
    task.sleep(0)
    finish("b@h", true)
    assert.same({ "a@h", "b@h" }, tried)
  end)

  local function names(prefix, count)
    local list = {}
    for i = 1, count do list[i] = ("%s%05d@h"):format(prefix, i) end
    return list
  end

  local function make_due()
    for record in registry:each() do
      if record.next_try then record.next_try = timer.now() end
    end
  end

  it("tries at most 64 at a time, and the next when one is over", function()
    poll(names("n", 100))
    assert.equal(AT_ONCE, #tried)
    finish(tried[1], false, "no")
    assert.equal(AT_ONCE + 1, #tried)
    finish(tried[2], true)
    finish(tried[3], true)
    assert.equal(AT_ONCE + 3, #tried)
  end)

  it("tries the newest first, and those never tried before those tried before", function()
    local dead = names("dead", 100)
    poll(dead)
    for i = 1, 10 do finish(tried[i], false, "no") end
    local failed = tried[1]
    make_due()
    dead[101], dead[102] = "old@h", "new@h"
    poll({ "old@h", unpack(dead, 1, 100) })
    poll(dead)
    local before = #tried
    finish(tried[20], false, "no")
    assert.equal("new@h", tried[before + 1])
    finish(tried[21], false, "no")
    assert.equal("old@h", tried[before + 2])
    local again = 0
    repeat
      finish(tried[22 + again], false, "no")
      again = again + 1
    until tried[#tried] == failed or again == 60
    assert.equal(failed, tried[#tried])
    assert(again >= 26, again) -- the 26 dead ones that had never been tried came first
  end)

  it("lets 10,000 dead names hide no live one", function()
    local list = names("dead", 10000)
    poll(list)
    list[10001] = "live@h"
    poll(list)
    finish(tried[1], false, "timed out")
    assert.equal("live@h", tried[#tried])
  end)

  it("tries again one that was live before 10,000 dead ones", function()
    answer = function(record) return record.name == "live@h", "dead" end
    local list = names("dead", 10000)
    list[10001] = "live@h"
    poll(list)
    while #results < 10001 do task.sleep(0.001) end
    answer, tried = nil, {}
    registry:set_live("live@h", false, timer.now(), "closed")
    dialer:lost("live@h")
    make_due()
    poll(list)
    assert.equal("live@h", tried[1])
  end)

  it("does not try a live node, one that is not found, or one that is under way", function()
    poll({ "live@h", "gone@h", "slow@h" })
    finish("live@h", true)
    finish("gone@h", false, "no")
    tried = {}
    make_due()
    poll({ "live@h", "slow@h" })
    dialer:offer("slow@h")
    dialer:offer("nobody@h")
    dialer:pump()
    task.sleep(0)
    assert.same({}, tried)
  end)

  it("tries one that failed again after the interval, after three failures later and later, up to 60 s", function()
    poll({ "dead@h" })
    for i, most in ipairs({ 10, 10, 10, 20, 40, 60, 60 }) do
      local record = registry:get("dead@h")
      finish("dead@h", false, "no")
      local delay = record.next_try - record.tried_at
      assert(delay <= most and delay >= 0.8 * most, ("%d: %g s"):format(i, delay))
      assert.equal(i, record.failures)
      poll({ "dead@h" })
      assert.equal(i, #tried)
      make_due()
      poll({ "dead@h" })
      assert.equal(i + 1, #tried)
    end
  end)

  it("waits the interval where that is longer than 60 s, and remembers a thousand failures", function()
    settings.interval = 300
    poll({ "dead@h" })
    registry:get("dead@h").failures = 5000
    finish("dead@h", false, "no")
    local record = registry:get("dead@h")
    local delay = record.next_try - record.tried_at
    assert(delay <= 300 and delay >= 240, delay)
  end)

  it("tries a node at once when its port changed, but not for another meta", function()
    poll({ { name = "a@h", port = 1 } })
    finish("a@h", false, "no")
    poll({ { name = "a@h", port = 1, meta = { load = 1 } } })
    assert.equal(1, #tried)
    poll({ { name = "a@h", port = 2 } })
    assert.equal(2, #tried)
  end)

  it("tries again at once when the port changed during an attempt that failed", function()
    poll({ { name = "a@h", port = 1 } })
    poll({ { name = "a@h", port = 2 } })
    assert.equal(1, #tried)
    finish("a@h", false, "its port changed")
    assert.equal(2, #tried)
    finish("a@h", true)
    assert.is_true(registry:get("a@h").live)
  end)

  it("does not forget a node that went and came back during its attempt", function()
    poll({ "a@h" })
    poll({})
    poll({ "a@h" })
    finish("a@h", false, "no")
    local record = registry:get("a@h")
    assert.same({ 1, 1, "no" }, { record.attempts, record.failures, record.last_error })
    make_due()
    poll({ "a@h" })
    assert.equal(2, #tried)
  end)

  it("tries one that was lost at the next poll, without a delay", function()
    poll({ "a@h" })
    finish("a@h", true)
    registry:set_live("a@h", false, timer.now(), "closed")
    dialer:lost("a@h")
    assert.equal(1, #tried)
    poll({ "a@h" })
    assert.equal(2, #tried)
  end)

  it("tries one that could not be tried at each poll, and holds nothing against it", function()
    answer = function() return false, "waiting", "EAGAIN" end
    for polls = 1, 6 do
      poll({ "a@h" })
      assert.equal(polls, #tried)
    end
    local record = registry:get("a@h")
    assert.same({ 6, "waiting" }, { record.attempts, record.last_error })
    assert.is_nil(record.failures)
    answer = function() return false, "no" end
    poll({ "a@h" })
    poll({ "a@h" })
    assert.same({ 7, 1 }, { #tried, record.failures })
  end)

  it("tells each result, and whether it is news", function()
    poll({ "a@h" })
    for _, reason in ipairs({ "no", "no", "never" }) do
      finish("a@h", false, reason)
      make_due()
      poll({ "a@h" })
    end
    finish("a@h", true)
    assert.same({
      { name = "a@h", ok = false, reason = "no", is_news = true },
      { name = "a@h", ok = false, reason = "no", is_news = false },
      { name = "a@h", ok = false, reason = "never", is_news = true },
      { name = "a@h", ok = true, is_news = true },
    }, results)
    local record = registry:get("a@h")
    assert.same({ 4 }, { record.attempts, record.failures })
    assert.is_nil(record.last_error or record.next_try)
  end)

  it("asks a function about each found node at every poll, live or not", function()
    make(true)
    local is_up = { ["a@h"] = true }
    answer = function(record) return is_up[record.name] == true, "down" end
    for i = 1, 5 do
      poll({ "a@h", "b@h" })
      task.sleep(0)
      assert.equal(2 * i, #tried)
    end
    assert.same({ true, false }, { registry:get("a@h").live, registry:get("b@h").live })
    is_up = { ["b@h"] = true }
    poll({ "a@h", "b@h" })
    task.sleep(0)
    assert.same({ false, true }, { registry:get("a@h").live, registry:get("b@h").live })
    poll({ "b@h" })
    task.sleep(0)
    assert.equal(13, #tried)
    assert.equal("b@h", tried[13])
  end)

  it("says when nothing is pending, at once if nothing is", function()
    local idle, first = task.queue(1), task.queue(1)
    dialer:notify_idle(idle)
    assert.is_true(idle:pop())
    poll({ "a@h", "b@h" })
    dialer:notify_idle(first)
    dialer:notify_idle(idle) -- the last one given counts
    finish("a@h", true)
    assert.equal(0, idle:count())
    finish("b@h", false, "no")
    assert.is_true(idle:pop())
    assert.equal(0, first:count())
  end)

  it("ends its attempts when it stops, and tries nothing any more", function()
    local list = names("n", 100)
    poll(list)
    dialer:stop()
    for _, gate in pairs(open) do gate:push({ true }) end
    task.sleep(0)
    assert.same({ AT_ONCE, 0 }, { #tried, #results })
    make()
    for _, name in ipairs(list) do dialer:offer(name) end
    dialer:pump()
    task.sleep(0)
    assert.equal(2 * AT_ONCE, #tried)
  end)

  it("holds nothing of nodes that come and go faster than they can be tried", function()
    for i = 1, 200 do poll(names("round" .. i .. "-", 100)) end
    local held = 0
    for _ in pairs(dialer.pending) do held = held + 1 end
    assert(held <= 2 * 100 + 2 * AT_ONCE, held)
    assert(#dialer.fresh <= 2 * 100 + AT_ONCE, #dialer.fresh)
    tried = {}
    finish((next(open)), false, "no")
    assert.is_truthy(tried[1]:find("round200-", 1, true))
  end)

  it("forgets those that failed and are no longer found", function()
    answer = function() return false, "dead" end
    for i = 1, 20 do
      poll(names("round" .. i .. "-", 100))
      while next(dialer.pending) do task.sleep(0) end
    end
    dialer:retry()
    local held = 0
    for name in pairs(dialer.later) do
      assert.is_truthy(name:find("round20-", 1, true))
      held = held + 1
    end
    assert.equal(100, held)
  end)

  it("takes no more memory the more polls there are", function()
    answer = function() return false, "dead" end
    local list = names("dead", 200)
    local function polls()
      for _ = 1, 50 do
        make_due()
        poll(list)
        dialer:notify_idle(task.queue(1))
        while next(dialer.pending) do task.sleep(0) end
        tried, results = {}, {}
      end
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    polls()
    local before = polls()
    polls()
    local grown = polls() - before
    assert(grown < 50, ("grew by %d KB"):format(grown))
  end)

  it("polls 10,000 dead nodes that wait without making garbage", function()
    answer = function() return false, "dead" end
    local list = names("dead", 10000)
    poll(list)
    while next(dialer.pending) do task.sleep(0.001) end
    assert(garbage.of(function() dialer:retry() dialer:pump() end) < 1)
  end)
end)
