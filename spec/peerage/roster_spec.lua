-- SPDX-License-Identifier: MIT
local roster = require("peerage.roster")

local OPTIONS = { max = 3, expire = 30, remember = 300, remember_least = 60 }

local function new(state) return roster.new(state or {}, OPTIONS) end

local function names(self, now)
  self:sweep(now)
  local list = self:names()
  table.sort(list)
  return list
end

local function plain(self, name, now) return self:hear_plain(name, "Peer:" .. name, now) end

local function say(name, stamp, changes)
  local said = { type = "announce", name = name, stamp = stamp, instance = "first" }
  for key, value in pairs(changes or {}) do said[key] = value end
  return said
end

describe("peerage.roster", function()
  it("has those heard within `expire`", function()
    local heard = new()
    assert.is_true(plain(heard, "a@h", 0))
    assert.is_true(plain(heard, "b@h", 20))
    assert.same({ "a@h", "b@h" }, names(heard, 30))
    assert.same({ "b@h" }, names(heard, 31))
    assert.same({}, names(heard, 51))
  end)

  it("knows a plain datagram as long as its node is present", function()
    local heard = new()
    plain(heard, "a@h", 0)
    heard.state.known["Peer:a@h"] = 25 -- what the provider does when it comes again
    assert.same({ "a@h" }, names(heard, 55))
    assert.same({}, names(heard, 56))
    assert.is_nil(heard.state.known["Peer:a@h"])
    assert.is_true(plain(heard, "a@h", 57))
  end)

  it("has no more than `max`, and takes others when some have gone", function()
    local heard = new()
    for i = 1, 3 do assert.is_true(plain(heard, i .. "@h", i)) end
    assert.is_nil(plain(heard, "4@h", 4))
    assert.same({ "1@h", "2@h", "3@h" }, names(heard, 31))
    heard:sweep(32)
    assert.is_true(plain(heard, "4@h", 32))
    assert.same({ "2@h", "3@h", "4@h" }, names(heard, 32))
  end)

  it("never remembers more than twice `max`", function()
    local heard = new()
    for i = 1, 100 do heard:hear_signed(say(i .. "@h", i, { type = i % 2 == 0 and "leave" or nil }), i / 100) end
    assert.equal(6, heard.count)
    assert.equal(3, heard.present)
    heard:sweep(31)
    assert.equal("full", heard:hear_signed(say("new@h", 200), 31))
    heard:sweep(62) -- the least that is remembered is over
    assert.equal("new", heard:hear_signed(say("new@h", 200), 62))
  end)

  describe("with a limit to unsigned ones", function()
    local options = { max = 4, max_plain = 2, expire = 30, remember = 300, remember_least = 60 }
    local heard

    before_each(function() heard = roster.new({}, options) end)

    it("keeps the rest for signed ones, however many unsigned ones come", function()
      for i = 1, 1000 do plain(heard, i .. "@h", 0) end
      assert.same({ 2, 2 }, { heard.present, heard.count })
      assert.equal("new", heard:hear_signed(say("a@h", 1), 0))
      assert.equal("new", heard:hear_signed(say("b@h", 1), 0))
      assert.equal("full", heard:hear_signed(say("c@h", 1), 0)) -- nobody loses a place
      assert.same({ "1@h", "2@h", "a@h", "b@h" }, names(heard, 1))
    end)

    it("lets signed ones take all places, and then no unsigned one", function()
      for i = 1, 4 do assert.equal("new", heard:hear_signed(say(i .. "@h", 1), 0)) end
      assert.is_nil(plain(heard, "5@h", 1))
      assert.equal("same", heard:hear_signed(say("1@h", 2), 1))
    end)

    it("gives the place of an unsigned one to another unsigned one when it is signed, too, or gone", function()
      assert.is_true(plain(heard, "1@h", 0))
      assert.is_true(plain(heard, "2@h", 10))
      assert.is_nil(plain(heard, "3@h", 10))
      assert.equal("restarted", heard:hear_signed(say("1@h", 1), 10))
      assert.is_true(plain(heard, "3@h", 10))
      assert.is_nil(plain(heard, "4@h", 20))
      assert.same({}, names(heard, 41))
      assert.same({ true, true }, { plain(heard, "5@h", 41), plain(heard, "6@h", 41) })
      assert.is_nil(plain(heard, "7@h", 41))
    end)

    it("remembers no unsigned one that has gone, so that a flood of them leaves room for stamps", function()
      for round = 0, 20 do
        for i = 1, 3 do plain(heard, ("%d.%d@h"):format(round, i), round * 31) end
        heard:sweep(round * 31 + 30.5)
      end
      assert.equal(0, heard.count)
      assert.equal("new", heard:hear_signed(say("a@h", 1), 700))
    end)

    it("counts anew what a state holds", function()
      plain(heard, "1@h", 0)
      heard:hear_signed(say("a@h", 1), 0)
      heard:hear_signed(say("b@h", 1, { type = "leave" }), 0)
      local again = roster.new(heard.state, options)
      assert.same({ 3, 2, 1 }, { again.count, again.present, again.plain })
      assert.is_true(plain(again, "2@h", 1))
      assert.is_nil(plain(again, "3@h", 1))
    end)
  end)

  it("forgets nobody too early when it is told to be patient", function()
    local heard = new()
    plain(heard, "a@h", 0)
    heard:hear_signed(say("b@h", 1), 0)
    heard:sweep(89, 3)
    assert.same(2, heard.present)
    heard:sweep(91, 3)
    assert.same(0, heard.present)
  end)

  it("takes a stamp once, and none before it", function()
    local heard = new()
    assert.equal("new", heard:hear_signed(say("a@h", 10), 0))
    assert.equal("stale", heard:hear_signed(say("a@h", 10), 1))
    assert.equal("stale", heard:hear_signed(say("a@h", 9), 1))
    assert.equal("same", heard:hear_signed(say("a@h", 11), 1))
    assert.equal("new", heard:hear_signed(say("b@h", 5), 1))
  end)

  it("is not made longer by replays", function()
    local heard = new()
    heard:hear_signed(say("a@h", 10), 0)
    heard:hear_signed(say("a@h", 10), 29)
    assert.same({}, names(heard, 31))
    assert.equal("stale", heard:hear_signed(say("a@h", 10), 290))
    assert.same({}, names(heard, 290))
  end)

  it("forgets stamps after `remember`", function()
    local heard = new()
    heard:hear_signed(say("a@h", 10), 0)
    heard:sweep(301)
    assert.equal(0, heard.count)
  end)

  it("lets a node leave at once, and keeps its stamp", function()
    local heard = new()
    heard:hear_signed(say("a@h", 10), 0)
    assert.equal("left", heard:hear_signed(say("a@h", 11, { type = "leave" }), 1))
    assert.same({}, names(heard, 1))
    assert.equal("stale", heard:hear_signed(say("a@h", 10), 2))
    assert.equal("new", heard:hear_signed(say("a@h", 12), 3))
  end)

  it("remembers who left before it was heard of", function()
    local heard = new()
    assert.equal("same", heard:hear_signed(say("a@h", 11, { type = "leave" }), 1))
    assert.equal("stale", heard:hear_signed(say("a@h", 10), 2))
    assert.same({}, names(heard, 2))
  end)

  it("keeps a node whose former engine says goodbye after the new one has come", function()
    local heard = new()
    heard:hear_signed(say("a@h", 10), 0)
    heard:hear_signed(say("a@h", 11, { instance = "second" }), 1)
    assert.equal("same", heard:hear_signed(say("a@h", 12, { type = "leave" }), 2))
    assert.same({ "a@h" }, names(heard, 2))
  end)

  it("sees a conflict in two instances by turns, not in a restart", function()
    local heard = new()
    local function hear(stamp, instance)
      return (select(2, heard:hear_signed(say("a@h", stamp, { instance = instance }), stamp)))
    end
    assert.is_false(hear(1, "first"))
    assert.is_false(hear(2, "second"))
    assert.is_false(hear(3, "second"))
    assert.is_true(hear(4, "first"))
    assert.is_true(hear(5, "second"))
  end)

  it("sees that an engine was started again", function()
    local heard = new()
    heard:hear_signed(say("a@h", 1), 0)
    assert.equal("restarted", heard:hear_signed(say("a@h", 2, { instance = "second" }), 1))
    assert.equal("same", heard:hear_signed(say("a@h", 3, { instance = "second" }), 2))
  end)

  it("forgets at once those that were named by plain datagrams only by then", function()
    local heard = new()
    plain(heard, "a@h", 0)
    heard:hear_signed(say("b@h", 1), 0)
    heard:forget_plain()
    plain(heard, "b@h", 0)
    heard:forget_plain()
    assert.same({ "b@h" }, names(heard, 1))
    assert.same({}, heard.state.known)
  end)

  it("goes on from a state of the version that kept the node by its datagram", function()
    local peer = { is_present = true, is_signed = false, heard = 10, datagram = "Peer:a@h" }
    local heard = new({ peers = { ["a@h"] = peer }, known = { ["Peer:a@h"] = peer } })
    assert.equal(10, heard.state.known["Peer:a@h"])
    assert.same({ "a@h" }, names(heard, 40))
    assert.same({}, names(heard, 41))
  end)

  it("goes on from a state that was kept", function()
    local first = new()
    plain(first, "a@h", 0)
    local second = new(first.state)
    assert.same({ "a@h" }, names(second, 30))
    assert.is_false(plain(second, "a@h", 30))
  end)
end)
