-- SPDX-License-Identifier: MIT
-- A config as it is loaded: defaults, the flat form and clusters, overrides, and that a bad one never loads.
local config = require("peerage.config")

local folder -- of the config that was loaded last

local function load(text, overrides, variables)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  overrides = overrides or {}
  overrides.getenv = function(name) return (variables or {})[name] end
  local result, message = config.load(path, overrides)
  os.remove(path)
  folder = path:match("^(.*)/")
  if message then
    assert.equal(path, message:sub(1, #path))
    message = "config.lua" .. message:sub(#path + 1)
  end
  return result, message
end

local function flat(text, ...)
  return assert(load(text, ...)).clusters.default
end

local function refusal(text, ...)
  local result, message = load(text, ...)
  assert.is_nil(result)
  return message
end

describe("an empty config", function()
  it("has every default", function()
    local result = assert(load("return {}"))
    local cluster = result.clusters.default
    assert.same({ "info", "text", true, false }, { result.log_level, result.log_format, result.reload, result.name_given })
    assert.same({}, result.provider_path)
    assert.is_nil(result.name)
    assert.is_nil(result.erlang)
    assert.equal("return {}", result.source)
    assert.equal(folder, result.folder)
    for key, value in pairs({
      name = "default", interval = 10, sync_offset = 500, timeout = 5, connect_timeout = 5, log_results = true,
      prune = false, prune_after = 3, budget = 1, memory_limit = 64 * 1024 * 1024,
    }) do
      assert.equal(value, cluster[key], key)
    end
    for _, key in ipairs({ "serves", "on_up", "on_down", "on_change" }) do assert.is_nil(cluster[key]) end
  end)

  it("polls self and connects to nothing", function()
    local cluster = flat("return {}")
    assert.same({ "self", {}, true }, { cluster.via.target, cluster.via.options, cluster.via.default })
    assert.same({ "none", {}, true }, { cluster.connect.target, cluster.connect.options, cluster.connect.default })
  end)
end)

describe("a flat config", function()
  it("that names this node connects by erlang, unless it says how", function()
    assert.same({ "erlang", true }, (function(it) return { it.target, it.default } end)(flat('return { name = "a@b" }').connect))
    assert.equal("erlang", flat("return {}", { name = "a@b" }).connect.target)
    assert.equal("erlang", flat("return {}", nil, { PEERAGE_NAME = "a@b" }).connect.target)
    assert.same({ "none", false }, (function(it) return { it.target, it.default } end)(
      flat('return { name = "a@b", connect = "none" }').connect))
  end)

  it("connects as if this node had a name, or none, if it is told so", function()
    assert.equal("erlang", flat("return {}", { is_named = true }).connect.target)
    assert.equal("none", flat('return { name = "a@b" }', { is_named = false }).connect.target)
  end)

  it("gives its provider the keys that are nobody else's", function()
    local result = assert(load([[return { name = "a@b", via = "dns", dns_name = "x", app_name = "y", interval = 3 }]]))
    local cluster = result.clusters.default
    assert.same({ dns_name = "x", app_name = "y" }, cluster.via.options)
    assert.is_true(cluster.via.flat)
    assert.equal("dns", cluster.via.target)
    assert.equal(3, cluster.interval)
    assert.equal("a@b", result.name)
  end)

  it("keeps a false", function() assert.is_false(flat("return { serves = false, log_results = false }").serves) end)

  it("is resolved at every depth", function()
    local cluster = flat([[return { via = "dns", dns_name = "x." .. env("NS"), port = system("PORT", tonumber),
      servers = { env("DNS", false), env("OTHER", "10.0.0.2") },
      deep = { deeper = { apply(function(a) return a .. "!" end, env("NS")) } } }]],
      nil, { NS = "web", PORT = "4000" })
    assert.same({ dns_name = "x.web", port = 4000, servers = { "10.0.0.2" }, deep = { deeper = { "web!" } } }, cluster.via.options)
  end)

  it("refuses items without a name", function()
    assert.equal('config.lua: unexpected item [1] ("dns"): expected key = value', refusal('return { "dns" }'))
  end)
end)

describe("clusters", function()
  it("have the top level's cluster keys as defaults", function()
    local result = assert(load([[return { interval = 3, timeout = 2, via = "dns",
      clusters = { web = { dns_name = "w", timeout = 1 }, cache = { via = "udp", port = 1, log_results = false } } }]]))
    local web, cache = result.clusters.web, result.clusters.cache
    assert.same({ "web", 3, 1, "dns" }, { web.name, web.interval, web.timeout, web.via.target })
    assert.same({ "cache", 3, 2, "udp" }, { cache.name, cache.interval, cache.timeout, cache.via.target })
    assert.same({ { dns_name = "w" }, { port = 1 } }, { web.via.options, cache.via.options })
    assert.is_nil(result.clusters.default)
  end)

  it("may turn off what is on at the top level", function()
    assert.is_false(load("return { log_results = true, clusters = { web = { log_results = false } } }").clusters.web.log_results)
  end)

  it("are at least one, each a table with a name", function()
    assert.equal("config.lua: clusters: expected at least one, found an empty table: write clusters = { web = { … } }",
      refusal("return { clusters = {} }"))
    assert.equal("config.lua: clusters: expected a table, found a number (3)", refusal("return { clusters = 3 }"))
    assert.equal('config.lua: clusters.web: expected a table, found "dns"', refusal('return { clusters = { web = "dns" } }'))
    for given, found in pairs({ ["{}"] = "a number (1)", ["[''] = {}"] = '""', ["['a b'] = {}"] = '"a b"' }) do
      assert.equal("config.lua: clusters: expected names of letters, digits, _ . and -, at most 64 bytes, as keys, found " .. found
        .. ": write clusters = { web = { … } }", refusal("return { clusters = { " .. given .. " } }"))
    end
  end)

  it("have no keys of the engine", function()
    assert.equal("config.lua: clusters.web: log_level is a key of the engine: write it at the top level",
      refusal('return { clusters = { web = { log_level = "info" } } }'))
  end)

  it("leave no place for a provider's options beside them", function()
    assert.equal("config.lua: unknown key \"dns_name\": beside clusters, a provider's options stand in the cluster that has the provider",
      refusal('return { via = "dns", dns_name = "x", clusters = { web = {} } }'))
    assert.equal('config.lua: unknown key "intreval": did you mean "interval"?',
      refusal("return { intreval = 3, clusters = { web = {} } }"))
    assert.equal("config.lua: unexpected item [1]: expected key = value", refusal("return { 3, clusters = { web = {} } }"))
  end)

  it("say where a wrong value stands", function()
    assert.equal("config.lua: clusters.web: interval: expected a number from 0.1 to 31536000, found 0",
      refusal("return { clusters = { web = { interval = 0 } } }"))
    assert.equal("config.lua: interval: expected a number from 0.1 to 31536000, found 0",
      refusal("return { interval = 0, clusters = { web = {} } }"))
    assert.equal("config.lua: clusters.web.via: expected a name as its first item, found a number (3)",
      refusal("return { clusters = { web = { via = { 3 } } } }"))
    assert.equal("config.lua: clusters.web: secret: environment variable S is not set",
      refusal('return { clusters = { web = { secret = system("S") } } }'))
  end)
end)

describe("this node's name", function()
  local text = 'return { name = "file@host" }'

  it("comes from --name, else from PEERAGE_NAME, else from the config", function()
    local variables = { PEERAGE_NAME = "variable@host" }
    assert.equal("option@host", load(text, { name = "option@host" }, variables).name)
    assert.equal("variable@host", load(text, nil, variables).name)
    assert.equal("file@host", load(text, nil, { PEERAGE_NAME = "" }).name)
    assert.is_true(load("return {}", { name = "option@host" }).name_given)
  end)

  it("that is overridden need not resolve in the config", function()
    local deferred = 'return { name = "app@" .. env("POD_IP") }'
    assert.equal("option@host", load(deferred, { name = "option@host" }).name)
    assert.equal("config.lua: name: environment variable POD_IP is not set", refusal(deferred))
  end)

  it("is a node name wherever it comes from", function()
    assert.matches('^config.lua: name: expected a node name.*found "app"', refusal('return { name = "app" }'))
    assert.matches('^config.lua: %-%-name: expected a node name.*found "app"', refusal("return {}", { name = "app" }))
    assert.matches('^config.lua: %-%-name: expected a node name.*found ""', refusal("return {}", { name = "" }))
    assert.matches('^config.lua: PEERAGE_NAME: expected a node name.*found "app"', refusal("return {}", nil, { PEERAGE_NAME = "app" }))
    assert.equal("config.lua: name: expected a string, found a table", refusal('return { name = { name = "a@b" } }'))
  end)
end)

describe("the engine's keys", function()
  it("are validated", function()
    for given, message in pairs({
      ['log_level = "infos"'] = 'log_level: expected "debug", "info", "warn" or "error", found "infos": did you mean "info"?',
      ['log_format = "xml"'] = 'log_format: expected "text" or "json", found "xml"',
      ['reload = "yes"'] = 'reload: expected true or false, found "yes"',
      ['provider_path = "here"'] = 'provider_path: expected a list, found "here": write { "here" }',
      ["provider_path = { 'a', 3 }"] = "provider_path[2]: expected a string of at least 1 byte, found a number (3)",
      ["erlang = 3"] = "erlang: expected a table, found a number (3)",
    }) do
      assert.equal("config.lua: " .. message, refusal("return { " .. given .. " }"))
    end
  end)

  it("for the log may be overridden", function()
    local result = assert(load('return { log_level = "warn" }', { log_level = "debug", log_format = "json" }))
    assert.same({ "debug", "json" }, { result.log_level, result.log_format })
    assert.matches('log_level: expected .*found "loud"', refusal("return {}", { log_level = "loud" }))
  end)

  it("for folders are seen from the config's folder", function()
    local result = assert(load('return { provider_path = { "here", "/there" } }'))
    assert.same({ folder .. "/here", "/there" }, result.provider_path)
  end)

  it("for folders are absolute when the current folder is known", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local file = assert(io.open(path, "w"))
    file:write('return { provider_path = { "here" } }')
    file:close()
    local up = ("../"):rep(40) -- from wherever this runs, up to the root
    local result = assert(config.load(up .. path:sub(2), { cwd = "/current" }))
    assert.equal("/current/" .. up .. folder:sub(2), result.folder)
    assert.same({ result.folder .. "/here" }, result.provider_path)
  end)
end)

describe("a config that cannot be used", function()
  it("is refused whatever is wrong with the file", function()
    assert.same({ nil, "/nowhere.lua: cannot be read: no such file or directory" }, { config.load("/nowhere.lua") })
    assert.same({ nil, "/: cannot be read: it is a directory, expected a regular file" }, { config.load("/") })
    assert.matches("^config.lua:2: ", refusal("\nsyntax error"))
    assert.equal("config.lua:2: boom", refusal("\nerror('boom')"))
    assert.equal("config.lua: expected a table, found a number (42): did you forget `return { … }`?", refusal("return 42"))
  end)

  it("is refused for a number that is not finite, wherever it stands", function()
    assert.equal("config.lua: timeout: expected a finite number, found inf", refusal("return { timeout = 1 / 0 }"))
    assert.equal("config.lua: a: b[1]: expected a finite number, found nan", refusal("return { a = { b = { 0 / 0 } } }"))
  end)
end)

describe("the globals of a config", function()
  it("may be made elsewhere, for its path", function()
    local given
    local cluster = flat("return { dns_name = place }", { environment = function(path)
      given = path
      return { place = "elsewhere" }
    end })
    assert.equal("elsewhere", cluster.via.options.dns_name)
    assert.is_string(given)
  end)
end)
