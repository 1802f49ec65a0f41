-- SPDX-License-Identifier: MIT
local Folder = require("support.folder")
local announcement = require("peerage.announcement")
local crypto = require("engine.crypto")
local fs = require("engine.fs")
local group_member = require("support.group_member")
local provider = require("providers.udp")
local schema = require("peerage.schema")
local task = require("engine.task")
local timer = require("engine.timer")
local udp = require("engine.udp")
local usage = require("support.usage")

local SECRET, OTHER, WRONG = "the first secret of two", "the other secret of two", "nobody's secret at all"
local NAME, GROUP = group_member.NAME, group_member.GROUP
local PRIVATE = tonumber("600", 8)

describe("provider udp", function()
  local member

  local function start(options, given)
    given = given or {}
    given.options = options
    member = group_member.start(given)
    return member
  end

  -- Everything sent before this one has been looked at when its name is there.
  local function settle(secret)
    local name = ("marker%d@h"):format(timer.now() * 1e9)
    member:say(secret and member:sign({ name = name }, secret) or "Peer:" .. name)
    local function is_there()
      for _, each in ipairs(member:names()) do
        if each == name then return true end
      end
    end
    member:await(is_there, name)
    local others = {}
    for _, each in ipairs(member:names()) do
      if not each:find("^marker") then others[#others + 1] = each end
    end
    return others
  end

  after_each(function()
    if member then member:stop() end
    member = nil
  end)

  it("says whether anyone on the network can name nodes, by its options", function()
    for answer, options in pairs({
      open = { {}, { port = 1 }, { announce_plain = true } },
      accepted = { { accept_plain = true }, { accept_plain = true, secret = SECRET }, { accept_plain = true, secret_file = "x" } },
      none = {
        { secret = SECRET }, { secret = { SECRET, OTHER } }, { secret_file = "x" }, { accept_plain = false },
        { accept_plain = false, secret = SECRET },
      },
    }) do
      for _, each in ipairs(options) do assert.equal(answer, provider.exposure(each) or "none") end
    end
  end)

  describe("without a secret", function()
    it("announces itself at once, as Elixir's Peerage does", function()
      start()
      assert.equal("Peer:me@here", member:hear())
      assert.is_nil(member:hear(0.05))
    end)

    it("announces itself again and again", function()
      start({ announce = { 0.5, 0.6 } })
      local times = {}
      for i = 1, 4 do
        member:hear()
        times[i] = timer.now()
      end
      assert.is_true(times[4] - times[1] > 1.2 and times[4] - times[1] < 10)
    end)

    it("warns that anyone can add names", function()
      start()
      assert.is_true(member:has_said("warn: no secret is set: anyone on the network can add names"))
    end)

    it("finds whom it hears, asks for a poll, and answers within 0.25 s", function()
      start()
      member:hear()
      local random, quickest, unhindered = crypto.random, 10, 10
      finally(function() crypto.random = random end)
      crypto.random = function(count) return ("\255"):rep(count) end -- which makes it take all the time that it may
      for i = 1, 4 do
        task.sleep(0.3) -- it may answer again
        local asked_at, waited = timer.now(), usage.waited("self")
        member:say(("Peer:app@10.0.0.%d"):format(i))
        assert.equal("Peer:me@here", member:hear())
        local took = timer.now() - asked_at
        quickest = math.min(quickest, took)
        unhindered = math.min(unhindered, took - (usage.waited("self") - waited))
      end
      assert.is_true(quickest >= 0.2, quickest)
      assert.is_true(unhindered < 0.5, unhindered)
      assert.same({ "app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.3", "app@10.0.0.4" }, member:names())
      assert.equal(4, member.asked)
      member:say("Peer:app@10.0.0.1")
      assert.is_nil(member:hear(0.3)) -- nothing new
      assert.equal(4, member.asked)
    end)

    it("answers at most four times a second", function()
      start()
      member:hear()
      local speaking = task.spawn(function()
        for i = 1, 50 do
          member:say(("Peer:n%d@h"):format(i))
          task.sleep(0.02)
        end
      end)
      local answers, began = 0, timer.now()
      while not speaking:is_finished() do
        if member:hear(0.1) then answers = answers + 1 end
      end
      assert.is_true(answers >= 2 and answers <= 4 * (timer.now() - began) + 1, answers .. " answers")
      assert.equal(50, #settle())
    end)

    it("forgets whom it has not heard for `expire`", function()
      start({ announce = { 0.1, 0.1 }, expire = 1 })
      local said_at = timer.now()
      member:say("Peer:app@h")
      member:await(function() return #member:names() == 1 end)
      member:await(function() return #member:names() == 0 end)
      assert.is_true(timer.now() - said_at > 0.99)
    end)

    it("does not forget one that goes on announcing itself", function()
      start({ announce = { 0.1, 0.1 }, expire = 1 })
      for _ = 1, 40 do
        member:say("Peer:app@h")
        task.sleep(0.05)
      end
      assert.same({ "app@h" }, member:names())
    end)

    for what, data in pairs({
      ["of 0 bytes"] = "",
      ["of 1 byte"] = "P",
      ["with no name"] = "Peer:",
      ["with control characters"] = "Peer:app\27[2J\n@10.0.0.1",
      ["with a name of 300 bytes"] = "Peer:" .. ("a"):rep(290) .. "@10.0.0.1",
      ["in other words"] = "Hello:app@h",
    }) do
      it("drops and counts a datagram " .. what, function()
        start()
        member:say(data)
        assert.same({}, settle())
        assert.equal(1, member:count("malformed"))
        assert.is_false(member:has_said("\27"))
      end)
    end

    it("drops and counts a datagram of 64 kB", function()
      start()
      member:say("Peer:" .. ("a"):rep(65000))
      assert.same({}, settle())
      assert.equal(1, member:count("lost"))
    end)

    it("counts a signed one as one that it cannot verify", function()
      start()
      member:say(member:sign({}, SECRET))
      assert.same({}, settle())
      assert.equal(1, member:count("mac"))
    end)

    it("does not hear what was sent to this host alone", function()
      start()
      local stranger = udp.open({ reuse = true })
      member.socket:close() -- of two sockets on one port the kernel gives a unicast to one
      assert(stranger:send("Peer:stranger@h", "127.0.0.1", member.port))
      assert.same({}, settle())
      assert.equal(1, member:count("unicast"))
      stranger:close()
    end)

    it("does not hear another group on its port", function()
      start()
      local multicast = { group = "230.1.1.2", interfaces = { "lo" } }
      local other = assert(udp.open({ port = member.port, reuse = true, multicast = multicast }))
      assert(other:send("Peer:stranger@h", "230.1.1.2", member.port))
      assert.equal("Peer:stranger@h", (other:receive()))
      other:close()
      assert.same({}, settle())
    end)

    it("counts its own datagrams, and does not find itself", function()
      start()
      member:await(function() return member:count("own") == 1 end)
      assert.same({}, settle())
      assert.is_false(member:has_said("error"))
    end)

    it("says when another engine uses its name", function()
      start()
      settle()
      member.self.announced_at = timer.now() - 5 -- so that what comes now is no echo of its own
      member:say("Peer:me@here")
      member:await(function() return member:has_said("error: another engine uses this name") end)
      assert.same({}, settle())
    end)

    it("remembers max_nodes names, counts the others and says so once", function()
      start({ max_nodes = 3 })
      for i = 1, 5 do member:say(("Peer:n%d@h"):format(i)) end
      member:await(function() return member:count("full") == 2 end)
      assert.same({ "n1@h", "n2@h", "n3@h" }, member:names())
      assert.is_true(member:has_said("warn: more nodes announce themselves than max_nodes allows"))
      local said = #member.lines
      member:say("Peer:n6@h")
      member:await(function() return member:count("full") == 3 end)
      assert.equal(said, #member.lines)
    end)

    it("knows after a reload whom it knew before", function()
      start()
      member:say("Peer:app@h")
      assert.same({ "app@h" }, settle())
      local state = member.self.state
      member:stop()
      start({}, { state = state })
      assert.equal(2, #member:names())
      assert.is_nil(state.warned)
    end)

    it("forgets plain names when a secret has been set", function()
      start()
      member:say("Peer:app@h")
      assert.same({ "app@h" }, settle())
      local state = member.self.state
      member:stop()
      start({ secret = SECRET }, { state = state })
      assert.same({}, member:names())
      member:say("Peer:app@h")
      assert.same({}, settle(SECRET))
      assert.equal(1, member:count("plain"))
    end)

    it("says nothing when it leaves, for anyone could", function()
      start()
      member:hear()
      provider.stop(member.self)
      assert.is_nil(member:hear(0.05))
    end)

    it("says once between two announcements that another uses its name, and counts each time", function()
      start()
      settle()
      member.self.announced_at = timer.now() - 5
      for _ = 1, 50 do member:say("Peer:me@here") end
      member:await(function() return member:count("conflict") == 50 end)
      local times = 0
      for _, line in ipairs(member.lines) do
        if line:find("another engine uses this name", 1, true) then times = times + 1 end
      end
      assert.equal(1, times)
    end)

    it("is patient with the silent while a flood loses datagrams, and not for ever", function()
      local function fall_silent(seconds)
        local at = timer.now() - seconds
        member.self.state.peers["app@h"].heard, member.self.state.known["Peer:app@h"] = at, at
      end
      start({ announce = { 3600, 3600 }, expire = 2 })
      member:say("Peer:app@h")
      member:await(function() return #member:names() == 1 end)
      member.self.losses = { count = -1000, at = timer.now() - 2 } -- as if 500 a second had been lost
      member:names()
      fall_silent(5)
      assert.same({ "app@h" }, member:names())
      fall_silent(7)
      assert.same({}, member:names())
      member:say("Peer:app@h")
      member:await(function() return #member:names() == 1 end)
      member.self.flooded_at = timer.now() - 3 -- the flood was over long ago
      fall_silent(3)
      assert.same({}, member:names())
    end)

    it("announces nothing and still hears when it is passive", function()
      start({ announce = { 0.1, 0.1 } }, { passive = true })
      member:say("Peer:app@h")
      member:await(function() return #member:names() == 1 end)
      assert.is_nil(member:hear(0.4))
      provider.stop(member.self)
      assert.is_nil(member:hear(0.05))
    end)
  end)

  describe("with a secret", function()
    local function read(data, secret)
      return announcement.read_signed(data, { secret }, announcement.context(GROUP, member.port))
    end

    it("announces itself signed only, with stamps that grow", function()
      start({ secret = SECRET, announce = { 0.1, 0.1 } })
      local first, second = read(member:hear(), SECRET), read(member:hear(), SECRET)
      assert.same({ "announce", NAME }, { first.type, first.name })
      assert.equal(first.instance, second.instance)
      assert.is_true(second.stamp > first.stamp)
      assert.is_true(math.abs(first.stamp - timer.wall_clock()) < 5e6)
      assert.is_false(member:has_said("no secret is set"))
    end)

    it("begins anew, as another instance, when the clock was set back by so much that nobody would hear it", function()
      local ahead = timer.wall_clock() + 61e6
      start({ secret = SECRET, announce = { 0.1, 0.1 } }, { state = { stamp = ahead, instance = ("k"):rep(8) } })
      local first, second = read(member:hear(), SECRET), read(member:hear(), SECRET)
      assert.are_not.equal(("k"):rep(8), first.instance)
      assert.equal(first.instance, second.instance)
      assert.is_true(math.abs(first.stamp - timer.wall_clock()) < 5e6 and second.stamp > first.stamp)
    end)

    it("keeps instance and stamp over a reload, and goes on when the clock was set back", function()
      local ahead = timer.wall_clock() + 50e6
      start({ secret = SECRET }, { state = { stamp = ahead, instance = ("k"):rep(8) } })
      local said = read(member:hear(), SECRET)
      assert.equal(("k"):rep(8), said.instance)
      assert.is_true(said.stamp > ahead and said.stamp < ahead + 10)
    end)

    it("finds whom it can verify, and no others", function()
      start({ secret = SECRET })
      member:say("Peer:plain@h")
      member:say(member:sign({ name = "wrong@h" }, WRONG))
      member:say(member:sign({ name = "right@h" }, SECRET))
      assert.same({ "right@h" }, settle(SECRET))
      assert.same({ 1, 1 }, { member:count("plain"), member:count("mac") })
      assert.is_true(member:has_said("warn: announcements are not signed with a secret of ours"))
    end)

    it("takes any of several secrets and signs with the first", function()
      start({ secret = { SECRET, OTHER } })
      assert.is_table(read(member:hear(), SECRET))
      member:say(member:sign({ name = "old@h" }, OTHER))
      assert.same({ "old@h" }, settle(SECRET))
    end)

    it("does not take one that was made for another port", function()
      start({ secret = SECRET })
      local said = { type = "announce", instance = group_member.INSTANCE, stamp = timer.wall_clock(), name = "a@h" }
      member:say(announcement.write_signed(said, SECRET, announcement.context(GROUP, 1)))
      assert.same({}, settle(SECRET))
      assert.equal(1, member:count("mac"))
    end)

    it("does not take one that was made for another group", function()
      start({ secret = SECRET })
      local said = { type = "announce", instance = group_member.INSTANCE, stamp = timer.wall_clock(), name = "a@h" }
      member:say(announcement.write_signed(said, SECRET, announcement.context("230.1.1.2", member.port)))
      assert.same({}, settle(SECRET))
      assert.equal(1, member:count("mac"))
    end)

    it("counts its own datagrams that a reflector sends back, at once or late", function()
      start({ secret = SECRET, announce = { 0.3, 0.3 } })
      local first, second = member:hear(), member:hear()
      for _ = 1, 20 do
        member:say(first)
        member:say(second)
      end
      assert.same({}, settle(SECRET))
      assert.is_true(member:count("own") >= 42)
      assert.is_false(member:has_said("another engine uses this name"))
    end)

    for what, change in pairs({
      ["cut"] = function(data) return data:sub(1, -2) end,
      ["longer"] = function(data) return data .. "x" end,
      ["without a name's end"] = function(data) return data:sub(1, 20) end,
    }) do
      it("counts one that is " .. what .. " as malformed", function()
        start({ secret = SECRET })
        member:say(change(member:sign({}, SECRET)))
        assert.same({}, settle(SECRET))
        assert.same({ 1, 0 }, { member:count("malformed"), member:count("mac") })
      end)
    end

    it("takes none of those with one bit flipped", function()
      start({ secret = SECRET })
      local data, sent = member:sign({}, SECRET), 0
      for at = 1, #data do
        local flipped = string.char(bit.bxor(data:byte(at), 2 ^ (at % 8)))
        member:say(data:sub(1, at - 1) .. flipped .. data:sub(at + 1))
        sent = sent + 1
      end
      assert.same({}, settle(SECRET))
      assert.equal(sent, member:count("mac") + member:count("malformed"))
    end)

    it("takes a replay after its restart until it is max_skew old, and none after", function()
      start({ secret = SECRET, max_skew = 2, expire = 2, announce = { 0.1, 0.1 } })
      local data = member:sign({ name = "a@h" }, SECRET)
      local made_at = timer.now()
      member:say(data)
      assert.same({ "a@h" }, settle(SECRET))
      member:stop()
      start({ secret = SECRET, max_skew = 2, expire = 2, announce = { 0.1, 0.1 }, port = member.port })
      member:say(data)
      assert.same({ "a@h" }, settle(SECRET)) -- nothing says that it was heard before
      repeat
        member:say(data)
        task.sleep(0.05)
      until #member:names() == 0 or timer.now() > made_at + 10
      assert.is_true(timer.now() - made_at < 6, "it lived for longer than max_skew and expire")
      member:stop()
      start({ secret = SECRET, max_skew = 2, port = member.port })
      member:say(data)
      assert.same({}, settle(SECRET))
      assert.equal(1, member:count("stale"))
    end)

    it("keeps half of max_nodes for signed ones when it takes unsigned ones, too", function()
      start({ secret = SECRET, accept_plain = true, max_nodes = 10 })
      for i = 1, 20 do member:say(("Peer:plain%02d@h"):format(i)) end
      member:await(function() return member:count("full") == 15 end)
      for i = 1, 5 do member:say(member:sign({ name = ("signed%d@h"):format(i) }, SECRET)) end
      member:await(function() return #member:names() == 10 end)
      local names = table.concat(member:names(), " ")
      assert.is_truthy(names:find("plain05@h signed1@h signed2@h signed3@h signed4@h signed5@h", 1, true), names)
    end)

    it("says when the wall clock was set", function()
      start({ secret = SECRET, announce = { 0.1, 0.1 } })
      member:hear()
      member.self.clock_offset = member.self.clock_offset + 90 -- as if it had been ahead until now
      member:await(function() return member:has_said("was set back by 90 s") end)
      member.self.clock_offset = member.self.clock_offset - 3600
      member:await(function() return member:has_said("was set forward by 3600 s") end)
    end)

    for first, second in pairs({ ["new first"] = { OTHER, SECRET }, ["old first"] = { SECRET, OTHER } }) do
      it("hears old and new ones while secrets are changed, " .. first, function()
        start({ secret = second })
        member:say(member:sign({ name = "old@h" }, SECRET))
        member:say(member:sign({ name = "new@h" }, OTHER))
        assert.same({ "new@h", "old@h" }, settle(SECRET))
        assert.is_table(read(member:hear(), second[1]))
        assert.equal(0, member:count("mac"))
      end)
    end

    it("does not take a replay, which does not prolong a life either", function()
      start({ secret = SECRET, announce = { 0.1, 0.1 }, expire = 1 })
      local data = member:sign({ name = "a@h" }, SECRET)
      member:say(data)
      member:await(function() return #member:names() == 1 end)
      for _ = 1, 40 do
        member:say(data)
        task.sleep(0.05)
      end
      assert.same({}, member:names())
      assert.equal(40, member:count("stale"))
    end)

    it("does not take what is older or newer than max_skew, and warns", function()
      start({ secret = SECRET, max_skew = 10 })
      for i, seconds in ipairs({ -11, 11, -9, 9 }) do
        member:say(member:sign({ name = ("n%d@h"):format(i), stamp = timer.wall_clock() + seconds * 1e6 }, SECRET))
      end
      assert.same({ "n3@h", "n4@h" }, settle(SECRET))
      assert.equal(2, member:count("stale"))
      assert.is_true(member:has_said("warn: announcements of a node are out of time"))
    end)

    it("drops one that says goodbye at once, and asks for a poll", function()
      start({ secret = SECRET })
      member:say(member:sign({ name = "a@h" }, SECRET))
      assert.same({ "a@h" }, settle(SECRET))
      local asked = member.asked
      member:say(member:sign({ name = "a@h", type = "leave" }, SECRET))
      member:await(function() return member.asked > asked end)
      assert.same({}, settle(SECRET))
    end)

    it("does not drop one that a forged or a replayed goodbye names", function()
      start({ secret = SECRET })
      local earlier = member:sign({ name = "a@h", type = "leave" }, SECRET)
      member:say(member:sign({ name = "a@h" }, SECRET))
      member:say(member:sign({ name = "a@h", type = "leave" }, WRONG))
      member:say(earlier)
      assert.same({ "a@h" }, settle(SECRET))
    end)

    it("answers a node that was started again, which has heard of nobody", function()
      start({ secret = SECRET })
      member:hear()
      member:say(member:sign({ name = "a@h" }, SECRET))
      member:hear()
      member:say(member:sign({ name = "a@h" }, SECRET))
      assert.is_nil(member:hear(0.3))
      member:say(member:sign({ name = "a@h", instance = ("n"):rep(8) }, SECRET))
      assert.is_table(read(member:hear(), SECRET))
    end)

    it("says goodbye when it is stopped", function()
      start({ secret = SECRET })
      local first = read(member:hear(), SECRET)
      provider.stop(member.self)
      local last = read(member:hear(), SECRET)
      assert.same({ "leave", NAME, first.instance }, { last.type, last.name, last.instance })
      assert.is_true(last.stamp > first.stamp)
    end)

    it("says when another engine uses its name, but not for a replay from before its start", function()
      start({ secret = SECRET })
      member:say(member:sign({ name = NAME, stamp = timer.wall_clock() - 10e6 }, SECRET))
      settle(SECRET)
      assert.is_false(member:has_said("error"))
      member:say(member:sign({ name = NAME }, SECRET))
      assert.same({}, settle(SECRET))
      assert.is_true(member:has_said("error: another engine uses this name"))
    end)

    it("says when two engines use the name of one node", function()
      start({ secret = SECRET })
      for _, instance in ipairs({ "x", "y", "x" }) do
        member:say(member:sign({ name = "a@h", instance = instance:rep(8) }, SECRET))
      end
      settle(SECRET)
      assert.is_true(member:has_said("warn: two engines use one name"))
    end)

    it("takes and makes plain ones too when the options say so", function()
      start({ secret = SECRET, accept_plain = true, announce_plain = true })
      assert.is_table(read(member:hear(), SECRET))
      assert.equal("Peer:me@here", member:hear())
      member:say("Peer:plain@h")
      assert.same({ "plain@h" }, settle())
    end)
  end)

  describe("with a secret_file", function()
    local folder

    before_each(function() folder = Folder.new() end)
    after_each(function() folder:remove() end)

    local function write(text, mode)
      local path = folder.path .. "/secrets"
      assert(fs.write(path, text, { mode = mode or PRIVATE }))
      return path
    end

    local function hears(secret, name)
      return function()
        member:say(member:sign({ name = name }, secret))
        task.sleep(0.01)
        for _, each in ipairs(member:names()) do
          if each == name then return true end
        end
      end
    end

    it("takes its secrets, and new ones as soon as the file changes", function()
      start({ secret_file = write(SECRET .. "\n") })
      member:await(hears(SECRET, "first@h"), "the first secret")
      write(OTHER .. "\n" .. SECRET .. "\n")
      member:await(hears(OTHER, "second@h"), "the new secret")
      assert.is_true(member:has_said("info: the secrets have changed"))
      write(OTHER .. "\n")
      member:await(function() return #member.self.secrets == 1 end)
      local refused = member:count("mac")
      assert.is_nil(hears(SECRET, "third@h")())
      assert.equal(refused + 1, member:count("mac"))
    end)

    it("sees a change of the symbolic link that Kubernetes swaps", function()
      folder:sh(("mkdir one two; echo '%s' > one/secrets; echo '%s' > two/secrets; chmod 440 */secrets"):format(SECRET, OTHER))
      folder:sh("ln -s one ..data; ln -s ..data/secrets secrets")
      start({ secret_file = folder.path .. "/secrets" })
      member:await(hears(SECRET, "first@h"), "the first secret")
      folder:sh("ln -s two ..tmp; mv -T ..tmp ..data")
      member:await(hears(OTHER, "second@h"), "the new secret")
    end)

    it("keeps the secrets that it has when the file gets worse, and says so", function()
      start({ secret_file = write(SECRET .. "\n") })
      write("short")
      member:await(function() return member:has_said("the secrets read before stay") end)
      assert.is_true(member:has_said("expected at least 16 bytes, found 5"))
      member:await(hears(SECRET, "a@h"), "the secret read before")
    end)

    it("stays silent and says why when there is no secret at the start", function()
      start({ secret_file = write(SECRET, tonumber("644", 8)) }, { fails = true })
      assert.truthy(member.failure:find("0440", 1, true), member.failure)
      assert.is_nil(member:hear(0.05))
      assert.same({ nil, member.failure }, { provider.poll(member.self) })
    end)
  end)

  it("could not find out before it listens, and when it cannot", function()
    assert.same({ nil, "it does not listen yet" }, { provider.poll({ options = {}, state = {} }) })
    start({ interface = "gone0" }, { fails = true })
    assert.equal("cannot join 230.1.1.1 on gone0: no such device", member.failure)
    assert.same({ nil, member.failure }, { provider.poll(member.self) })
  end)

  it("is narrowed to an interface by one of its addresses", function()
    start({ ip = "127.0.0.1" })
    assert.is_true(member:has_said("info: the group is joined"))
    assert.equal("lo", member.self.joined)
  end)

  describe("options", function()
    local function refusal(options) return (select(2, schema.validate(provider.options, options, "config"))) end

    it("are a sound schema", function() assert.is_true(schema.check(provider.options)) end)

    for message, options in pairs({
      ["config: secret: expected at least 16 bytes, found 9"] = { secret = "too short" },
      ["config: secret: expected at least 16 bytes, found 0"] = { secret = "" },
      ["config: secret: expected at least one secret, found an empty list"] = { secret = {} },
      ['config: multicast_addr: expected a group such as "230.1.1.1" or "ff02::1", found "10.0.0.1"'] = {
        multicast_addr = "10.0.0.1",
      },
      ["config: port: expected an integer from 1 to 65535, found 0"] = { port = 0 },
    }) do
      it("that are wrong are refused: " .. message, function() assert.equal(message, refusal(options)) end)
    end

    it("never show a secret", function()
      for _, secret in ipairs({ { "hidden hidden hi", 5 }, { true }, 42 }) do
        local message = refusal({ secret = secret })
        assert.truthy(message)
        assert.is_nil(message:find("hidden", 1, true))
      end
    end)

    it("take IPv6 groups", function() assert.is_nil(refusal({ multicast_addr = "ff02::7265" })) end)
  end)
end)
