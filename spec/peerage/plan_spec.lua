-- SPDX-License-Identifier: MIT
-- From a config's file to what is to be started: loaded, with valid options, or refused with the files that were read.
local Folder = require("support.folder")
local config = require("peerage.config")
local loader = require("peerage.loader")
local plan = require("peerage.plan")

describe("a plan", function()
  local folder

  before_each(function() folder = Folder.new() end)
  after_each(function() folder:remove() end)

  local function read(text) return assert(config.load(folder:write("config.lua", text), { getenv = function() end })) end
  local function prepare(text) return plan.prepare(read(text)) end

  local function refuses(text, expected)
    local planned, message, files = prepare(text)
    assert.is_nil(planned)
    assert.is_truthy(message:find(expected, 1, true), message)
    return files, message
  end

  it("has each cluster, in order, with provider, connector and options", function()
    local planned = assert(prepare([[return { clusters = {
      web = { via = { "dns", dns_name = "web" }, connect = { "tcp", port = 80 } },
      cache = { via = function() return {} end },
    } }]]))
    assert.same({ "cache", "web" }, { planned.clusters[1].name, planned.clusters[2].name })
    local cache, web = planned.clusters[1], planned.clusters[2]
    assert.same({ "function", "none" }, { cache.provider.name, cache.connector.name })
    assert.same({ "dns", "web", "A" }, { web.provider.name, web.provider.options.dns_name, web.provider.options.type })
    assert.same({ "tcp", 80, true }, { web.connector.name, web.connector.options.port, web.connector.options.keep })
    assert.same({}, planned.warnings)
  end)

  it("warns of an option that looks like a key of the cluster", function()
    folder:write("homies.lua", "return { poll = function() end }")
    local planned = assert(prepare('return { via = "homies", intervall = 3 }'))
    assert.equal(1, #planned.warnings)
    assert.is_truthy(planned.warnings[1]:find('did you mean "interval"?', 1, true))
    assert.equal(3, planned.clusters[1].provider.options.intervall)
  end)

  it("names a file as seen from the config's folder, with its line", function()
    folder:sh("mkdir providers")
    folder:write("providers/homies.lua", "\nreturn return")
    local _, message = refuses('return { via = "homies" }', "")
    assert.equal(1, message:find("providers/homies.lua:2: ", 1, true))
  end)

  it("names the config for an unknown provider, a bad option and a serves without serve", function()
    local path = folder.path .. "/config.lua"
    refuses('return { via = "homies" }', path .. ': unknown provider "homies"')
    refuses('return { via = "dns", dns_name = 5 }', path .. ": dns_name: ")
    refuses('return { via = "self", serves = true }', path .. ": serves: expected a provider with serve(), found that self has none")
  end)

  it("names all files that were read when it is refused, those of other clusters and parts too", function()
    local first = folder:write("first.lua", "require('helper') return { poll = function() end }")
    local helper = folder:write("helper.lua", "return {}")
    local second = folder:write("second.lua", "broken(")
    local dialer = folder:write("dialer.lua", "return { connect = function() end, nodes = function() end }")
    local files = refuses('return { clusters = { a = { via = "first" }, b = { via = "second", connect = "dialer" } } }', "second.lua:1:")
    for _, path in ipairs({ first, helper, second, dialer }) do assert.equal("string", type(files[path]), path) end
  end)

  it("does not let a check of an option raise or wait in the engine's place", function()
    folder:write("homies.lua", [[
      local M = { options = { a = { type = "string", check = function(value) return load(value)() end } } }
      function M.poll() end
      return M]])
    refuses([[return { via = "homies", a = "error(setmetatable({}, { __tostring = error }))" }]], "a: its check raised: a table")
    assert.is_truthy(prepare('return { via = "homies", a = "return true" }'))
  end)

  it("closes what a file opened at its top level", function()
    folder:write("opener.lua", [[
      local M = { timer = require("engine.timer").every(0.001, function() end) }
      require("engine.task").spawn(function() require("engine.task").sleep(3600) end)
      function M.poll() end
      return M]])
    assert.is_truthy(prepare('return { via = "opener" }')) -- the helper counts handles and tasks
  end)

  it("begins its warnings with the config's", function()
    local planned = assert(prepare('return { erlang = {}, via = function() end, intervall = 3 }'))
    assert.equal(2, #planned.warnings)
    assert.matches(": erlang: no cluster connects by erlang", planned.warnings[1])
  end)

  it("has the text of each file that was read", function()
    local dialer = folder:write("dialer.lua", "return { connect = function() end }")
    local files = assert(prepare('return { connect = "dialer" }')).files
    assert.equal("return { connect = function() end }", files[dialer])
  end)

  describe("asks the connector's check", function()
    local CONFIG = 'return { name = "me@h", connect = { "dialer", port = 5 }, %s }'

    local function with_check(body)
      folder:write("dialer.lua", ([[return { options = { port = { type = "integer" }, keep = { type = "boolean", default = true } },
        connect = function() end, check = function(options, context) %s end }]]):format(body))
    end

    it("with the options, the name and the provider, and gives its warning", function()
      with_check([[return true, table.concat({ options.port, tostring(options.keep), context.name, tostring(context.name_given),
        context.provider.name, context.provider.options.app_name, tostring(context.provider.exposure) }, " ")]])
      local planned = assert(prepare(CONFIG:format('via = "dns", app_name = "app"')))
      assert.same({ folder.path .. "/config.lua: connect: 5 true me@h true dns app nil" }, planned.warnings)
    end)

    it("which gets copies, and need say nothing", function()
      with_check("options.port, context.provider.options.app_name = 6, 'other' return true")
      local planned = assert(prepare(CONFIG:format('via = "dns", app_name = "app"')))
      assert.same({}, planned.warnings)
      local cluster = planned.clusters[1]
      assert.same({ 5, "app" }, { cluster.connector.options.port, cluster.provider.options.app_name })
    end)

    for answer, expected in pairs({
      ['nil, "wants a longer name"'] = "wants a longer name",
      ['false, "wants a longer name"'] = "wants a longer name",
      ["nil"] = "check() returned nothing: expected true, or nil and a message",
      ['"yes"'] = 'check() returned "yes": expected true, or nil and a message',
      ["error('boom')"] = "check() failed: ",
    }) do
      it("and refuses the config when that answers " .. answer, function()
        with_check("return " .. answer)
        local files, message = refuses(CONFIG:format(""), expected)
        assert.equal(folder.path .. "/config.lua: connect: " .. expected,
          message:sub(1, #folder.path + #"/config.lua: connect: " + #expected))
        assert.equal("string", type(files[folder.path .. "/dialer.lua"]))
      end)
    end

    it("and names the cluster's place", function()
      with_check('return nil, "no"')
      refuses('return { clusters = { web = { connect = "dialer" } } }', "/config.lua: clusters.web.connect: no")
    end)

    describe("with what the provider says of its exposure:", function()
      local function exposure(answer)
        with_check("return true, tostring(context.provider.exposure)")
        folder:write("homies.lua", ([[return { options = { wide = { type = "boolean" } }, poll = function() return {} end,
          exposure = function(options) %s end }]]):format(answer))
        local planned, message = prepare(CONFIG:format('via = "homies", wide = true'))
        if not planned then return nil, message end
        return planned.warnings[1]:match("connect: (.*)$")
      end

      it("open, accepted, or nothing, by its options", function()
        assert.equal("open", exposure("return options.wide and 'open'"))
        assert.equal("accepted", exposure("return 'accepted'"))
        assert.equal("nil", exposure("return nil"))
      end)

      it("else the config is refused", function()
        local place = folder.path .. "/config.lua: provider homies: exposure(): "
        assert.equal(place .. 'expected "open", "accepted" or nothing, found a boolean (true)', (select(2, exposure("return true"))))
        assert.equal(place .. "boom", (select(2, exposure("error('boom', 0)"))))
      end)
    end)
  end)

  it("gives each part an account from its loading on, with the cluster's limits", function()
    folder:write("homies.lua", "local kept = ('x'):rep(2 ^ 20) return { poll = function() return kept end }")
    local planned = assert(prepare('return { via = "homies", connect = "none" }')).clusters[1]
    assert(planned.provider.account:stats().bytes > 2 ^ 20)
    assert(planned.connector.account:stats().bytes < 2 ^ 20)
  end)

  it("ends what loops or takes all memory while it is loaded or checked, and says who it was", function()
    local loop, checking = "while true do end", "connect = { connect = function() end, check = function() %s end }"
    folder:write("homies.lua", loop)
    local limits = 'return { clusters = { web = { via = "homies", budget = 0.05, '
    refuses(limits .. 'connect = "none" } } }', "web: provider homies held the engine for 0.")
    folder:write("homies.lua", "return { options = { a = { type = 'any', check = function() while true do end end } }, poll = print }")
    refuses(limits .. 'a = 1, connect = "none" } } }', "options of homies: web: provider homies held the engine for 0.")
    folder:write("homies.lua", "return { poll = print }")
    refuses(limits .. checking:format(loop) .. " } } }", "web: connector table held the engine for 0.")
    refuses('return { clusters = { web = { via = "homies", budget = 30, memory_limit = "4 MB", '
      .. checking:format("local t = {} while true do t[#t + 1] = {} end") .. " } } }", "not enough memory: it holds")
  end)

  it("loads a part once more from the texts that it had, with locals as at first, on its account", function()
    folder:write("homies.lua", "local n = 0 return { poll = function() n = n + 1 return n end }")
    local part = assert(prepare('return { via = "homies", connect = "none" }')).clusters[1].provider
    part.unit.module.poll()
    folder:write("homies.lua", "return {}")
    local again = assert(plan.again(loader.PROVIDER, part))
    assert.same({ 2, 1 }, { part.unit.module.poll(), again.unit.module.poll() })
    assert.same({ part.name, part.account, part.options }, { again.name, again.account, again.options })
  end)

  it("loads a cluster as its files are now", function()
    local conf = read('return { via = "homies", connect = "dialer", port = 5 }')
    folder:write("homies.lua", "return { options = { port = { type = 'integer' } }, poll = function() end }")
    local dialer = folder:write("dialer.lua", "return { connect = function() end }")
    local planned = assert(plan.cluster(conf, "default"))
    assert.same({ { port = 5 }, "dialer" }, { planned.provider.options, planned.connector.name })
    local path = folder:write("homies.lua", "return { options = { port = { type = 'string' } }, poll = function() end }")
    local refused, message, files = plan.cluster(conf, "default")
    assert.is_nil(refused)
    assert.is_truthy(message:find("port: expected a string", 1, true), message)
    assert.same({ "string", "string" }, { type(files[path]), type(files[dialer]) })
  end)

  it("names the places where it looked for a file in vain, for it may come", function()
    local files = refuses('return { via = "homies" }', 'unknown provider "homies"')
    assert.is_false(files[folder.path .. "/homies.lua"])
    folder:write("homies.lua", "return { names = require('names') }")
    files = refuses('return { via = "homies" }', "module 'names' not found")
    assert.is_false(files[folder.path .. "/names.lua"])
  end)
end)
