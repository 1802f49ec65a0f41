-- SPDX-License-Identifier: MIT
-- The registry: found and live as two facts, what a poll changes, and what it costs when nothing does.
local registry = require("peerage.registry")

local now, nodes

local function poll(list, options)
  now = now + 1
  local complete = not (options and options.partial)
  return nodes:update(list, { source = options and options.source or "dns", now = now, complete = complete })
end

before_each(function()
  now, nodes = 100, registry.new()
end)

describe("a complete poll", function()
  it("adds what is new, in order", function()
    local changes = poll({ "c@h", "a@h", "b@h" })
    assert.same({ "a@h", "b@h", "c@h" }, changes.added)
    assert.is_true(changes.any)
    assert.equal(3, (nodes:count()))
  end)

  it("removes what it lacks", function()
    poll({ "a@h", "b@h", "c@h" })
    local changes = poll({ "b@h", "d@h" })
    assert.same({ "d@h" }, changes.added)
    assert.same({ "a@h", "c@h" }, changes.removed)
    assert.is_nil(nodes:get("a@h"))
    assert.equal(2, (nodes:count()))
  end)

  it("changes nothing when it says the same in another order", function()
    poll({ "a@h", { name = "b@h", port = 1, meta = { zone = "x", tags = { 1, 2 } } } })
    local changes = poll({ { name = "b@h", port = 1, meta = { tags = { 1, 2 }, zone = "x" } }, "a@h" })
    assert.is_false(changes.any)
    assert.same({}, changes.added)
  end)

  it("finds none when the list is empty", function()
    poll({ "b@h", "a@h" })
    assert.same({ "a@h", "b@h" }, poll({}).removed)
    assert.equal(0, (nodes:count()))
  end)

  it("gives new nodes when they replace as many old ones", function()
    poll({ "a@h", "b@h" })
    local changes = poll({ "a@h", "c@h" })
    assert.same({ "c@h" }, changes.added)
    assert.same({ "b@h" }, changes.removed)
  end)

  it("stamps who found a node, since when, and when it was last named", function()
    poll({ "a@h" })
    poll({ "a@h" }, { source = "udp" })
    local record = nodes:get("a@h")
    assert.equal("udp", record.source)
    assert.equal(101, record.found_at)
    assert.equal(102, record.seen_at)
  end)

  it("is a wrong call when it is no list", function()
    assert.error_matches(function() poll("a@h") end, "registry:update: expected a list", 1, true)
  end)

  it("works when the clock stands still", function()
    nodes:update({ "a@h", "b@h" }, { source = "dns", now = 5, complete = true })
    local changes = nodes:update({ "a@h" }, { source = "dns", now = 5, complete = true })
    assert.same({ "b@h" }, changes.removed)
  end)
end)

describe("a partial poll", function()
  it("adds and changes but removes nothing", function()
    poll({ "a@h", "b@h" })
    local changes = poll({ { name = "b@h", port = 2 }, "c@h" }, { partial = true })
    assert.same({ "c@h" }, changes.added)
    assert.same({ "b@h" }, changes.changed)
    assert.same({}, changes.removed)
    assert.is_true(nodes:get("a@h").found)
    assert.equal(101, nodes:get("a@h").seen_at)
  end)

  it("does not count as a poll that a node is missing from", function()
    poll({ "a@h" })
    nodes:set_live("a@h", true, now)
    poll({})
    poll({}, { partial = true })
    assert.equal(1, nodes:get("a@h").missing)
  end)
end)

describe("a changed node", function()
  before_each(function() poll({ { name = "a@h", port = 1, meta = { zone = "x", tags = { "t" } } } }) end)

  for what, entry in pairs({
    ["another port"] = { name = "a@h", port = 2, meta = { zone = "x", tags = { "t" } } },
    ["another value in meta"] = { name = "a@h", port = 1, meta = { zone = "y", tags = { "t" } } },
    ["another value deep in meta"] = { name = "a@h", port = 1, meta = { zone = "x", tags = { "u" } } },
    ["one key more in meta"] = { name = "a@h", port = 1, meta = { zone = "x", tags = { "t" }, more = false } },
    ["one key less in meta"] = { name = "a@h", port = 1, meta = { tags = { "t" } } },
    ["no meta"] = { name = "a@h", port = 1 },
    ["no port"] = { name = "a@h", meta = { zone = "x", tags = { "t" } } },
    ["neither"] = "a@h",
  }) do
    it("is reported for " .. what .. ", once", function()
      assert.same({ "a@h" }, poll({ entry }).changed)
      assert.is_false(poll({ entry }).any)
      assert.equal(type(entry) == "table" and entry.port or nil, nodes:get("a@h").port)
    end)
  end

  it("is seen although the provider changed its own table in place", function()
    local entry = { name = "b@h", meta = { load = 1 } }
    poll({ "a@h", entry })
    entry.meta.load = 2
    assert.same({ "b@h" }, poll({ "a@h", entry }).changed)
  end)
end)

describe("a live node", function()
  it("is known although it was never found", function()
    assert.is_true(nodes:set_live("a@h", true, 7))
    local record = nodes:get("a@h")
    assert.is_false(record.found)
    assert.equal(7, record.live_at)
    assert.is_nil(record.source)
  end)

  it("is reported once", function()
    nodes:set_live("a@h", true, 7)
    assert.is_false(nodes:set_live("a@h", true, 8))
    assert.equal(7, nodes:get("a@h").live_at)
  end)

  it("stays while it is live, and leaves when it is neither", function()
    poll({ "a@h" })
    nodes:set_live("a@h", true, now)
    assert.same({ "a@h" }, poll({}).removed)
    assert.is_false(nodes:get("a@h").found)
    assert.is_true(nodes:set_live("a@h", false, now, "closed"))
    assert.is_nil(nodes:get("a@h"))
  end)

  it("stays while it is found, and keeps why it went down", function()
    poll({ "a@h" })
    nodes:set_live("a@h", true, now)
    nodes:set_live("a@h", false, now + 5, "connection reset")
    local record = nodes:get("a@h")
    assert.equal("connection reset", record.last_error)
    assert.equal(now + 5, record.down_at)
    assert.is_nil(record.live_at)
  end)

  it("ends a row of failures", function()
    poll({ "a@h" })
    local record = nodes:get("a@h")
    record.failures, record.next_try = 3, now + 40
    nodes:set_live("a@h", true, now)
    assert.is_nil(record.failures)
    assert.is_nil(record.next_try)
  end)

  it("is added again when it comes back to the list, and only a port that really changed is a change", function()
    nodes:set_live("new@h", true, now)
    poll({ { name = "a@h", port = 1 } })
    nodes:set_live("a@h", true, now)
    poll({})
    local changes = poll({ { name = "a@h", port = 2 }, { name = "new@h", port = 3 } })
    assert.same({ "a@h", "new@h" }, changes.added)
    assert.same({ "a@h" }, changes.changed)
    assert.equal(now, nodes:get("a@h").found_at)
  end)

  it("must have a node's name", function()
    local changed, message = nodes:set_live("somewhere", true, 1)
    assert.is_false(changed)
    assert.is_truthy(message:find('it has no "@"', 1, true), message)
    assert.is_false(nodes:set_live("unknown@h", false, 1))
    assert.same({}, nodes:sorted())
  end)

  it("must not be one too many", function()
    for i = 1, 3 do assert.is_true(nodes:set_live("n" .. i .. "@h", true, 1, nil, 3)) end
    local changed, message = nodes:set_live("n4@h", true, 1, nil, 3)
    assert.same({ false, "there are 3 nodes already: see memory_limit" }, { changed, message })
    nodes:set_live("n1@h", false, 2, nil, 3)
    assert.is_true(nodes:set_live("n4@h", true, 2, nil, 3))
  end)
end)

describe("missing", function()
  it("counts the complete polls in a row that lacked a live node", function()
    poll({ "a@h", "b@h", "dead@h" })
    nodes:set_live("a@h", true, now)
    nodes:set_live("b@h", true, now)
    poll({ "b@h" })
    poll({ "b@h" })
    assert.same({ "a@h" }, nodes:missing(2))
    assert.same({}, nodes:missing(3))
    poll({})
    assert.same({ "a@h", "b@h" }, nodes:missing(1))
    assert.same({ "a@h" }, nodes:missing(3))
  end)

  it("starts again after the node was named", function()
    poll({ "a@h" })
    nodes:set_live("a@h", true, now)
    poll({})
    poll({ "a@h" }, { partial = true })
    assert.same({}, nodes:missing(1))
    assert.is_nil(nodes:get("a@h").missing)
    poll({})
    assert.equal(1, nodes:get("a@h").missing)
  end)

  it("forgets a node that went down", function()
    nodes:set_live("a@h", true, now)
    poll({})
    nodes:set_live("a@h", false, now)
    assert.same({}, nodes:missing(0))
  end)
end)

describe("views", function()
  before_each(function()
    poll({ "b@h", { name = "a@h", port = 1, meta = { zone = "x" } } })
    nodes:set_live("c@h", true, now)
    nodes:set_live("a@h", true, now)
  end)

  it("count what is found and what is live", function()
    local found, live = nodes:count()
    assert.equal(2, found)
    assert.equal(2, live)
    nodes:set_live("c@h", false, now)
    poll({ "a@h" })
    found, live = nodes:count()
    assert.equal(1, found)
    assert.equal(1, live)
  end)

  it("list records by name, also after one came and one went", function()
    local function names()
      local list = {}
      for i, record in ipairs(nodes:sorted()) do
        list[i] = record.name
      end
      return table.concat(list, " ")
    end
    assert.equal("a@h b@h c@h", names())
    poll({ "a@h", "aa@h" })
    assert.equal("a@h aa@h c@h", names())
    nodes:set_live("0@h", true, now)
    assert.equal("0@h a@h aa@h c@h", names())
    nodes:set_live("c@h", false, now)
    assert.equal("0@h a@h aa@h", names())
  end)

  it("walk every record once, while nodes leave", function()
    local seen = {}
    for record in nodes:each() do
      seen[#seen + 1] = record.name
      nodes:set_live(record.name, false, now)
    end
    table.sort(seen)
    assert.same({ "a@h", "b@h", "c@h" }, seen)
    assert.is_nil(nodes:get("c@h"))
  end)

  it("tell hooks plain copies", function()
    local told = nodes:nodes()
    assert.same({
      { name = "a@h", port = 1, meta = { zone = "x" }, found = true, live = true },
      { name = "b@h", found = true, live = false },
      { name = "c@h", found = false, live = true },
    }, told)
    told[1].meta.zone = "y"
    assert.equal("x", nodes:get("a@h").meta.zone)
  end)
end)

describe("any sequence of polls and connections", function()
  local function random_list(random)
    local list, named = {}, {}
    for i = 1, random(0, 12) do
      local name = "n" .. random(8) .. "@h"
      list[i] = random(2) == 1 and name or { name = name, port = random(3) }
      named[name] = named[name] or {}
      named[name].port = named[name].port or (type(list[i]) == "table" and list[i].port or nil)
    end
    return list, named
  end

  it("ends where a simple model ends", function()
    math.randomseed(7)
    local found, live = {}, {}
    for _ = 1, 2000 do
      local list, named = random_list(math.random)
      local partial = math.random(4) == 1
      local changes, gone = poll(list, { partial = partial }), {}
      for name in pairs(found) do
        if named[name] == nil and not partial then
          gone[#gone + 1], found[name] = name, nil
        end
      end
      table.sort(gone)
      assert.same(gone, changes.removed)
      for name, entry in pairs(named) do
        found[name] = entry
      end
      local flipped = "n" .. math.random(8) .. "@h"
      live[flipped] = not live[flipped] or nil
      nodes:set_live(flipped, live[flipped] or false, now)
      local found_count, live_count = 0, 0
      for i = 1, 8 do
        local name = "n" .. i .. "@h"
        local record = nodes:get(name)
        assert.equal(found[name] ~= nil, record ~= nil and record.found)
        assert.equal(live[name] ~= nil, record ~= nil and record.live)
        if found[name] then assert.equal(found[name].port, record.port) end
        found_count, live_count = found_count + (found[name] and 1 or 0), live_count + (live[name] and 1 or 0)
      end
      assert.same({ found_count, live_count }, { nodes:count() })
      if math.random(3) == 1 then -- names come and go, and come back, between two looks
        local expected, sorted = {}, {}
        for i = 1, 8 do
          local name = "n" .. i .. "@h"
          if found[name] or live[name] then expected[#expected + 1] = nodes:get(name) end
        end
        for i, record in ipairs(nodes:sorted()) do sorted[i] = record end
        assert.equal(#expected, #sorted)
        for i, record in ipairs(expected) do assert.equal(record, sorted[i]) end
      end
    end
  end)
end)
