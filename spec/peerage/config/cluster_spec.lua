-- SPDX-License-Identifier: MIT
-- A cluster's settings: the bounds of its keys, the grammar of via and connect, and what counts as a change.
local config_cluster = require("peerage.config.cluster")
local schema = require("peerage.schema")

local known = schema.names(config_cluster.keys)

local function read(values, outer, is_named)
  return config_cluster.read(values, outer or {}, nil, { path = "config.lua", known = known, is_named = is_named or false })
end

local function refusal(values)
  local result, message = read(values)
  assert.is_nil(result)
  return message
end

describe("the keys of a cluster", function()
  it("are a well-formed schema", function() assert.is_true(schema.check(config_cluster.keys)) end)

  for given, message in pairs({
    [{ interval = 0.05 }] = "interval: expected a number from 0.1 to 31536000, found 0.05",
    [{ interval = "5" }] = 'interval: expected a number from 0.1 to 31536000, found "5": add tonumber, as in system("NAME", tonumber)',
    [{ interval = 1e300 }] = "interval: expected a number from 0.1 to 31536000, found 1e+300",
    [{ sync_offset = -1 }] = "sync_offset: expected a number from 0 to 31536000000, found -1",
    [{ timeout = 0 }] = "timeout: expected a number from 0.001 to 31536000, found 0",
    [{ connect_timeout = true }] = "connect_timeout: expected a number from 0.001 to 31536000, found a boolean (true)",
    [{ budget = 0 }] = "budget: expected a number from 0.001 to 31536000, found 0",
    [{ serves = "yes" }] = 'serves: expected true or false, found "yes"',
    [{ prune = "alway" }] = 'prune: expected false, true or "always", found "alway": did you mean "always"?',
    [{ prune_after = 0 }] = "prune_after: expected an integer from 1 to 1000000, found 0",
    [{ prune_after = 1.5 }] = "prune_after: expected an integer from 1 to 1000000, found 1.5",
    [{ on_up = "print" }] = 'on_up: expected a function, found "print"',
  }) do
    it("refuse " .. message:match("^(.-):.*found") .. " as " .. message:match("found (.*)"), function()
      assert.equal("config.lua: " .. message, refusal(given))
    end)
  end

  it("accept their bounds", function()
    local result = assert(read({ interval = 0.1, sync_offset = 0, prune = "always", prune_after = 1, budget = 0.5, serves = true }))
    assert.same({ 0.1, 0, "always", 1, 0.5, true },
      { result.interval, result.sync_offset, result.prune, result.prune_after, result.budget, result.serves })
  end)
end)

describe("a memory limit", function()
  for given, bytes in pairs({
    ["64 MB"] = 67108864, ["1gb"] = 1073741824, ["2.5 MiB"] = 2621440, ["2048 KB"] = 2097152, [1048576] = 1048576,
  }) do
    it("is " .. bytes .. " bytes for " .. given, function() assert.equal(bytes, read({ memory_limit = given }).memory_limit) end)
  end

  for given, found in pairs({
    lots = '"lots"', ["64"] = '"64"', ["64 MBit"] = '"64 MBit"', ["-1 MB"] = '"-1 MB"', ["0.5 MB"] = '"0.5 MB"',
    ["1.2.3 MB"] = '"1.2.3 MB"', ["9999 GB"] = '"9999 GB"', [-5] = "-5", [64] = '64: did you mean "64 MB"?',
  }) do
    it("is refused as " .. found, function()
      assert.equal('config.lua: memory_limit: expected a number of bytes or a text like "64 MB", from 1 MB to 1024 GB, found ' .. found,
        refusal({ memory_limit = given }))
    end)
  end
end)

describe("via", function()
  local wanted = 'config.lua: via: expected a name, a function, { "name", option = … } or a table with the function poll, found '
  local poll = function() return {} end

  it("is a name or a path", function()
    assert.equal("./here/homies.lua", read({ via = "./here/homies.lua" }).via.target)
    assert.is_false(read({ via = "dns" }).via.default)
  end)

  it("is a function, whose options stand beside it", function()
    local via = read({ via = poll, size = 3 }).via
    assert.equal(poll, via.target)
    assert.same({ size = 3 }, via.options)
    assert.is_true(via.flat)
  end)

  it("is a table with poll, whose options stand beside it", function()
    local provider = { poll = poll, options = {} }
    local via = read({ via = provider, size = 3 }).via
    assert.equal(provider, via.target)
    assert.same({ size = 3 }, via.options)
  end)

  it("is a table with a name and options", function()
    local via = read({ via = { "dns", dns_name = "x", timeout = 3 } }).via
    assert.equal("dns", via.target)
    assert.same({ dns_name = "x", timeout = 3 }, via.options)
    assert.falsy(via.flat)
    assert.equal("config.lua: via", via.where)
  end)

  for found, value in pairs({
    ["42"] = 42, ["true"] = true, ['""'] = "", ["a table without poll and without a name"] = { dns_name = "x" },
    ["a table whose poll is a number (3)"] = { poll = 3 },
  }) do
    it("is not " .. found, function() assert.equal(wanted .. found, refusal({ via = value })) end)
  end

  it("has one name, and then only options", function()
    assert.equal('config.lua: via: unexpected item [2]: expected { "dns", option = … }', refusal({ via = { "dns", "x" } }))
    assert.equal("config.lua: via: expected a name as its first item, found a function", refusal({ via = { poll } }))
    assert.equal('config.lua: via: expected a name as its first item, found ""', refusal({ via = { "" } }))
  end)

  it("with a table of options leaves no options beside it", function()
    assert.equal('config.lua: unknown key "intervall": did you mean "interval"?', refusal({ via = { "dns" }, intervall = 3 }))
    assert.equal("config.lua: unknown key \"dns_name\": a provider's options stand in via = { \"dns\", … } here",
      refusal({ via = { "dns" }, dns_name = "x" }))
  end)
end)

describe("connect", function()
  local connect = function() return true end

  it("takes what via takes, with connect for poll", function()
    assert.equal("tcp", read({ connect = "tcp" }).connect.target)
    assert.equal(connect, read({ connect = connect }).connect.target)
    assert.same({ connect = connect }, read({ connect = { connect = connect } }).connect.target)
    assert.same({ "tcp", { port = 9 }, "config.lua: connect" }, (function(it) return { it.target, it.options, it.where } end)(
      read({ connect = { "tcp", port = 9 } }).connect))
  end)

  it("refuses what via refuses", function()
    assert.equal('config.lua: connect: expected a name, a function, { "name", option = … } or a table with the function connect, '
      .. "found a table without connect and without a name", refusal({ connect = { poll = connect } }))
  end)

  it("that is not given is none without a name, and erlang with one", function()
    local function chosen(...) return { read({}, ...).connect.target, read({}, ...).connect.default } end
    assert.same({ "none", true }, chosen({}, false))
    assert.same({ "erlang", true }, chosen({}, true))
    assert.same({ "tcp", false }, chosen({ connect = "tcp" }, true))
    assert.equal("self", read({}, {}, true).via.target)
  end)

  it("has as its place where it stands, or would stand", function()
    local function place(values, outer)
      return config_cluster.read(values, outer, "web", { path = "config.lua", known = known, is_named = true }).connect.where
    end
    assert.equal("config.lua: clusters.web.connect", place({ connect = "tcp" }, { connect = "none" }))
    assert.equal("config.lua: connect", place({}, { connect = "none" }))
    assert.equal("config.lua: clusters.web.connect", place({}, {}))
    assert.equal("config.lua: connect", read({}, {}, true).connect.where)
  end)

  it("of a cluster without one is the top level's", function()
    local result = read({}, { connect = { "tcp", port = 9 } })
    assert.same({ "tcp", false }, { result.connect.target, result.connect.default })
  end)
end)
