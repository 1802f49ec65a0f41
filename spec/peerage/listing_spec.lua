-- SPDX-License-Identifier: MIT
-- Lists as providers really return them, read through the registry: duplicates, holes, rubbish, and 100,000 nodes.
local garbage = require("spec.support.garbage")
local hostile = require("spec.support.hostile")
local registry = require("peerage.registry")

local now, nodes

local function poll(list)
  now = now + 1
  return nodes:update(list, { source = "dns", now = now, complete = true })
end

local function numbered(count)
  local list = {}
  for i = 1, count do
    list[i] = "app" .. i .. "@host"
  end
  return list
end

before_each(function()
  now, nodes = 100, registry.new()
end)

describe("duplicates", function()
  it("are merged in silence, ten thousand of them", function()
    local list = {}
    for i = 1, 10000 do
      list[i] = "a@h"
    end
    local changes = poll(list)
    assert.same({ "a@h" }, changes.added)
    assert.equal(0, changes.problem_count)
    assert.equal(1, (nodes:count()))
  end)

  it("take the first port and meta there are", function()
    local list = {
      "a@h",
      { name = "a@h", port = 1 },
      { name = "a@h", port = 2, meta = { zone = "x" } },
      { name = "a@h", meta = { zone = "y" } },
    }
    for _ = 1, 2 do
      poll(list)
      assert.equal(1, nodes:get("a@h").port)
      assert.same({ zone = "x" }, nodes:get("a@h").meta)
    end
    assert.is_false(poll(list).any)
  end)

  it("with two ports are said, since only the first stands", function()
    local list = { { name = "a@h", port = 9100 }, { name = "a@h", port = 9093 }, { name = "b@h", port = 1 }, { name = "b@h", port = 1 } }
    for _ = 1, 2 do -- known or not
      local changes = poll(list)
      assert.same({ "entry 2: a@h is named twice, with the ports 9100 and 9093: the first stands" }, changes.problems)
      assert.equal(9100, nodes:get("a@h").port)
    end
  end)

  it("do not hide that another node is gone", function()
    poll({ { name = "a@h", port = 2 }, "b@h" })
    local changes = poll({ { name = "a@h", port = 1 }, { name = "a@h", port = 2 } })
    assert.same({ "b@h" }, changes.removed)
    assert.same({ "a@h" }, changes.changed)
    assert.equal(1, nodes:get("a@h").port)
  end)

  it("add a port to a node that was found without one", function()
    poll({ "a@h", "b@h" })
    local changes = poll({ "a@h", { name = "a@h", port = 1 } })
    assert.same({ "a@h" }, changes.changed)
    assert.same({ "b@h" }, changes.removed)
  end)
end)

describe("a list with bad entries", function()
  it("keeps the good ones and says what and where the others are", function()
    local changes = poll({ "a@h", 42, { "b@h" }, "somewhere", { name = "c@h", port = 0 }, { name = 7 }, true, "d@h" })
    assert.same({ "a@h", "d@h" }, changes.added)
    assert.equal(6, changes.problem_count)
    local said = table.concat(changes.problems, "\n")
    for _, part in ipairs({
      "entry 2: ", "found a number (42)", "entry 3: ", "found a list in the list", "entry 4: ", 'it has no "@"',
      "entry 5: port: expected an integer from 1 to 65535, found a number (0)", "entry 6: name: ", "entry 7: ",
    }) do
      assert.is_truthy(said:find(part, 1, true), part .. " is not in\n" .. said)
    end
  end)

  it("loses nothing to holes, and says that there are some", function()
    local changes = poll({ "a@h", nil, "b@h", nil, nil, "c@h" })
    assert.same({ "a@h", "b@h", "c@h" }, changes.added)
    assert.same({ "list: expected no holes, found 3 entries up to index 6; all were read" }, changes.problems)
  end)

  it("sees no hole in a list that was filled backwards", function()
    local list = {}
    for i = 9, 1, -1 do
      list[i] = "app" .. i .. "@h"
    end
    assert.equal(0, poll(list).problem_count)
    assert.equal(9, (nodes:count()))
  end)

  it("drops keys that are no index", function()
    local changes = poll({ "a@h", leader = "b@h", [0] = "c@h", [1.5] = "d@h", [true] = "e@h" })
    assert.same({ "a@h" }, changes.added)
    assert.equal(4, changes.problem_count)
    local said = table.concat(changes.problems, "\n")
    assert.is_truthy(said:find("expected a list, whose keys count from 1", 1, true), said)
  end)

  it("describes ten and counts all", function()
    local list = {}
    for i = 1, 1000 do
      list[i] = i % 2 == 0 and "no name" or i
    end
    local changes = poll(list)
    assert.equal(10, #changes.problems)
    assert.equal(1000, changes.problem_count)
  end)

  it("takes a known node away when its entry has become bad", function()
    poll({ "a@h", "b@h" })
    local changes = poll({ "a@h", { name = "b@h", port = "80" } })
    assert.same({ "b@h" }, changes.removed)
    assert.equal(1, changes.problem_count)
  end)

  it("runs no metamethod, neither of the list nor of what is in it", function()
    local function list()
      return hostile.table({
        hostile.table({ name = "a@h", port = 1, meta = hostile.table({ zone = hostile.table({}) }) }),
        hostile.table({}),
        hostile.table({ name = hostile.table({}) }),
        hostile.table({ name = "c@h", port = hostile.table({}) }),
        [7] = "b@h", [hostile.table({})] = "d@h",
      })
    end
    assert.same({ "a@h", "b@h" }, poll(list()).added)
    local again = poll(list())
    assert.is_false(again.any)
    assert.equal(5, again.problem_count)
  end)

  it("runs no metamethod of an entry whose metatable is hidden", function()
    for _, hidden in ipairs({ "mine", false }) do
      local entry = setmetatable({}, { __index = function() error("it ran") end, __metatable = hidden })
      assert.matches("a table without a name", poll({ entry }).problems[1], 1, true)
    end
  end)
end)

describe("a poll of 100,000 unchanged nodes", function()
  local count = 100000

  it("allocates nothing per name", function()
    poll(numbered(count))
    local list, changes = numbered(count), nil
    local grown = garbage.of(function() changes = poll(list) end)
    assert.is_false(changes.any)
    assert.is_true(grown < 64, grown .. " KB")
  end)

  it("allocates nothing per node table with a port and meta", function()
    local function tables()
      local list = {}
      for i, name in ipairs(numbered(count)) do
        list[i] = { name = name, port = 80, meta = { zone = "x" } }
      end
      return list
    end
    poll(tables())
    local list, changes = tables(), nil
    local grown = garbage.of(function() changes = poll(list) end)
    assert.is_false(changes.any)
    assert.is_true(grown < 64, grown .. " KB")
  end)

  it("costs a duplicate no more", function()
    poll(numbered(10))
    local list = numbered(10)
    for i = 11, count do
      list[i] = "app1@host"
    end
    local grown = garbage.of(function() poll(list) end)
    assert.is_true(grown < 64, grown .. " KB")
  end)

  it("does not describe each of as many bad names", function()
    local list = {}
    for i = 1, count do
      list[i] = "nowhere" .. i
    end
    local changes
    local grown = garbage.of(function() changes = poll(list) end)
    assert.equal(count, changes.problem_count)
    assert.is_true(grown < 64, grown .. " KB")
  end)
end)
