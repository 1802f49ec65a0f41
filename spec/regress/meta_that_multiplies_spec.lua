-- SPDX-License-Identifier: MIT
-- Found by throwing things at it: a meta in which one table stands many times was copied each time it stood there, until
-- there was no memory, and the engine did nothing else.
local Registry = require("peerage.registry")
local node = require("peerage.node")

local function update(registry, list, complete, memory_limit, now)
  return registry:update(list, { source = "spec", now = now or 1, complete = complete, memory_limit = memory_limit })
end

local MEGABYTE = 1024 * 1024

describe("a list that comes to more than it is", function()
  it("is refused where one meta multiplies itself", function()
    local meta = {}
    for _ = 1, 6 do
      local outer = {}
      for i = 1, 20 do outer[i] = meta end
      meta = outer
    end
    assert.same({ nil, "meta: it has more than 1000 items" }, { node.copy_meta(meta) })
    local changes = update(Registry.new(), { { name = "a@h", meta = meta }, "b@h" }, true)
    assert.same({ "b@h" }, changes.added)
    assert.same({ "entry 1: meta: it has more than 1000 items" }, changes.problems)
  end)

  it("is compared no further than what is known goes", function()
    local known, other = { 1 }, setmetatable({}, {})
    for i = 1, 1e6 do other[i] = i end
    local started = os.clock()
    for _ = 1, 100 do assert.is_false(node.same_meta(known, other)) end
    assert(os.clock() - started < 1)
  end)

  it("holds at most so many items in all metas as memory_limit has room for", function()
    local meta, list = {}, {}
    for i = 1, 500 do meta[i] = i end
    for i = 1, 40 do list[i] = { name = ("n%02d@h"):format(i), meta = meta } end
    local changes = update(Registry.new(), list, true, MEGABYTE) -- 16,384 items
    assert.equal(32, #changes.added)
    assert.equal(8, changes.problem_count)
    assert.equal("entry 33: the metas of the list have too many items: see memory_limit", changes.problems[1])
  end)

  it("is read as far as memory_limit has room for nodes, and removes nobody then", function()
    local registry, list = Registry.new(), {}
    update(registry, { "kept@h" }, true, MEGABYTE)
    for i = 1, 5000 do list[i] = ("n%d@h"):format(i) end
    local changes = update(registry, list, true, MEGABYTE, 2) -- 2,048 entries
    assert.same({ 2048, 0, 1 }, { #changes.added, #changes.removed, changes.problem_count })
    assert.equal("list: more than 2048 entries, the others were not read: see memory_limit", changes.problems[1])
  end)

  it("does not grow the registry without end, a part at a time", function()
    local registry, list, last = Registry.new(), {}, nil
    for round = 1, 5 do
      for i = 1, 1000 do list[i] = ("r%dn%d@h"):format(round, i) end
      last = update(registry, list, false, MEGABYTE, round)
    end
    assert.equal(2048, (registry:count()))
    assert.equal("entry 1: there are 2048 nodes already: see memory_limit", last.problems[1])
    assert.equal(1000, #update(registry, list, true, MEGABYTE, 9).added)
  end)

  it("of numbers only costs little to refuse", function()
    local list = {}
    for i = 1, 120000 do list[i] = i end
    local started = os.clock()
    assert.equal(120000, update(Registry.new(), list, true).problem_count)
    assert(os.clock() - started < 1, os.clock() - started)
  end)
end)
