-- SPDX-License-Identifier: MIT
-- The engine as a whole in this process: what a change of a file does to what runs, and what it leaves alone.
local Daemon = require("support.daemon")
local Engine = require("support.engine")
local log = require("engine.log")
local task = require("engine.task")
local timer = require("engine.timer")
local usage = require("support.usage")

describe("an engine that reloads", function()
  local host, folder, hearing, engine

  before_each(function()
    host = Engine.new()
    folder, hearing = host.folder, host.hearing
  end)
  after_each(function() host:close() end)

  local function start(text) engine = assert(host:start(text)) end
  local function save(...) return host:save(...) end
  local function await_live(name) return host:await_live(name) end

  local function provider(answer) return ("return { poll = function(self) %s end }"):format(answer) end

  local HOOKS = [[
    on_up = function(node) print("up: " .. node.name) end,
    on_down = function(node, reason) print("down: " .. node.name .. " (" .. reason .. ")") end, ]]

  describe("a connector's file", function()
    local LINKS = [[local names = {}
      return { connect = function(_, node) print("%s") names[node.name] = true return true end,
        nodes = function() local list = {} for name in pairs(names) do list[#list + 1] = name end return list end }]]

    before_each(function()
      folder:write("links.lua", LINKS:format("old connect"))
      start('return { via = "list", node_list = { "a@b" }, connect = "links", interval = 3600, sync_offset = 0, ' .. HOOKS .. "}")
      hearing:expect("up: a@b")
    end)

    it("takes the new version, which connects anew", function()
      folder:write("links.lua", LINKS:format("new connect"))
      hearing:expect("down: a@b (the connector changed)")
      hearing:expect("new connect")
      hearing:expect("up: a@b")
    end)

    it("hands a copy of its state to the new version", function()
      local COUNTING = [[return { connect = function(self)
        self.state.n = (self.state.n or 0) + 1
        print("%s: " .. self.state.n)
        return true
      end }]]
      save("links.lua", COUNTING:format("one"), "one: 1")
      save("links.lua", COUNTING:format("two"), "two: 2")
    end)

    it("keeps the old version when the new one does not load", function()
      save("links.lua", "return { connect = 5 }", "links.lua: connect: expected a function, found a number (5)")
      await_live("a@b")
      assert.equal(0, hearing:count("down: "))
      save("links.lua", LINKS:format("mended"), "mended")
    end)
  end)

  describe("whose name changes", function()
    it("keeps its name and what is connected by default, and says that it needs a restart", function()
      start('return { sync_offset = 0, interval = 3600 }')
      save("config.lua", 'return { sync_offset = 0, interval = 1800, name = "me@here" }', "to me@here: that needs a restart")
      hearing:expect("config.lua: reloaded")
      assert.same({ "none", 1800 }, { engine.clusters.default.connector_part.name, engine.clusters.default.settings.interval })
      assert.equal(engine.name, engine.clusters.default.self_name)
      save("config.lua", 'return { sync_offset = 0, interval = 900 }', "config.lua: reloaded")
      assert.equal(1, hearing:count("needs a restart"))
    end)

    it("goes on to tell its connector the one that it has", function()
      folder:write("links.lua", [[return { connect = function() return true end,
        check = function(_, context) return true, context.name .. " " .. tostring(context.name_given) end }]])
      local TEXT = 'return { sync_offset = 0, interval = 3600, connect = "links", %s }'
      start(TEXT:format('name = "me@here"'))
      hearing:expect("config.lua: connect: me@here true")
      save("config.lua", TEXT:format(""), "connect: me@here true")
      hearing:expect("config.lua: reloaded")
      assert.equal(1, hearing:count("name: changed from me@here to none: that needs a restart"))
    end)
  end)

  describe("with functions in its config", function()
    it("swaps those that connect, and what is live stays so", function()
      local CONFIG = 'return { via = "list", node_list = { "a@b" }, interval = 3600, sync_offset = 0, '
        .. 'connect = function() print("%s") return true end, ' .. HOOKS .. "}"
      start(CONFIG:format("old function"))
      hearing:expect("up: a@b")
      save("config.lua", CONFIG:format("new function"), "config.lua: reloaded")
      hearing:expect("new function")
      assert.equal(0, hearing:count("down: "))
    end)

    it("swaps those that poll", function()
      local CONFIG = "return { sync_offset = 0, interval = 3600, via = function() print('%s') return {} end }"
      start(CONFIG:format("old poll"))
      hearing:expect("old poll")
      save("config.lua", CONFIG:format("new poll"), "new poll")
    end)

    it("swaps those among a provider's options", function()
      folder:write("homies.lua", provider("return { self.options.prefix() .. '@a' }"))
      local CONFIG = 'return { sync_offset = 0, interval = 3600, via = { "homies", prefix = function() return "%s" end } }'
      start(CONFIG:format("old"))
      await_live("old@a")
      save("config.lua", CONFIG:format("new"), "config.lua: reloaded")
      await_live("new@a")
    end)
  end)

  it("leaves a provider alone whose settings and files say what they said", function()
    folder:write("homies.lua", [[return { poll = function() return { "a@b" } end,
      serve = function() print("served") require("engine.task").sleep(3600) end }]])
    start('return { via = "homies", sync_offset = 0, interval = 3600 }')
    hearing:expect("served")
    save("config.lua", '-- another text\nreturn { via = "homies", sync_offset = 0, interval = 1800 }', "config.lua: reloaded")
    assert.equal(1800, engine.clusters.default.settings.interval)
    local good = assert(io.open(folder.path .. "/homies.lua")):read("*a")
    save("homies.lua", "return return", "homies.lua:1:")
    folder:write("homies.lua", good)
    engine:reload_now()
    save("config.lua", 'return { via = "homies", sync_offset = 0, interval = 3600 }', "config.lua: reloaded")
    assert.equal(1, hearing:count("served"))
  end)

  it("takes a provider's new version although the config that was saved with it is refused", function()
    folder:write("homies.lua", provider('return { "old@a" }'))
    start('return { via = "homies", sync_offset = 0, interval = 3600 }')
    await_live("old@a")
    folder:write("homies.lua", provider('return { "new@a" }'))
    save("config.lua", "return { interval = 'x' }", "not reloaded, the old config stays")
    await_live("new@a")
  end)

  it("takes a provider's new version with the config that is mended after both were refused", function()
    folder:write("homies.lua", provider('return { "old@a" }'))
    start('return { via = "homies", sync_offset = 0, interval = 3600 }')
    await_live("old@a")
    folder:write("homies.lua", "return { options = { a = { type = 'string' } }, poll = function(self) return { self.options.a } end }")
    save("config.lua", 'return { via = "homies", a = 5 }', "a: expected a string")
    save("config.lua", 'return { via = "homies", a = "new@a" }', "config.lua: reloaded")
    await_live("new@a")
  end)

  it("takes up a file that a refused version was looking for", function()
    folder:write("homies.lua", provider("return {}"))
    start('return { via = "homies", sync_offset = 0, interval = 3600 }')
    save("homies.lua", "local names = require('names') return { poll = function() return names end }", "module 'names' not found")
    folder:write("names.lua", "return { 'a@b' }")
    await_live("a@b")
    assert.equal(0, hearing:count("is gone"))
  end)

  it("takes up a provider that a refused config was looking for", function()
    start('return { sync_offset = 0, interval = 3600 }')
    save("config.lua", 'return { via = "homies", sync_offset = 0, interval = 3600 }', 'unknown provider "homies"')
    folder:write("homies.lua", provider('return { "a@b" }'))
    await_live("a@b")
  end)

  describe("after a roll-back", function()
    it("is mended by a file that only the failed version requires", function()
      folder:write("homies.lua", provider('return { "old@a" }'))
      start('return { via = "homies", sync_offset = 0, interval = 3600 }')
      await_live("old@a")
      folder:write("helper.lua", "return function() error('boom') end")
      save("homies.lua", "local helper = require('helper') return { poll = function() return helper() end }",
        "the previous one runs again: ")
      folder:write("helper.lua", "return function() return { 'new@a' } end")
      await_live("new@a")
    end)

    it("does not try the failed version again because of the config, and goes back once more", function()
      folder:write("homies.lua", provider('print("old polls") return { "old@a" }'))
      start('return { via = "homies", sync_offset = 0, interval = 3600 }')
      hearing:expect("old polls")
      save("homies.lua", provider('error("first failure")'), "first failure")
      hearing:expect("old polls")
      save("config.lua", 'return { via = "homies", sync_offset = 0, interval = 1800 }', "config.lua: reloaded")
      hearing:expect("old polls")
      assert.equal(1, hearing:count("first failure"))
      save("homies.lua", provider('error("second failure")'), "second failure")
      hearing:expect("old polls")
    end)

    it("runs one provider only, whatever was saved while it went back", function()
      local function text(name, poll)
        return ([[return { poll = function(self) %s end,
          serve = function() while true do print('%s lives') require('engine.task').sleep(0.05) end end }]]):format(poll, name)
      end
      folder:write("homies.lua", text("first", "return {}"))
      start('return { via = "homies", sync_offset = 0, interval = 3600 }')
      hearing:expect("first lives")
      save("homies.lua", text("second", "error('boom')"), "boom")
      save("homies.lua", text("third", "return { 'third@a' }"), "third lives")
      await_live("third@a")
      local before = hearing:count("first lives")
      task.sleep(0.2)
      assert.equal(before, hearing:count("first lives"))
    end)
  end)

  it("goes back to the function before when the new one raises", function()
    local CONFIG = "return { sync_offset = 0, interval = 3600, via = function() %s end }"
    start(CONFIG:format("return { 'old@a' }"))
    await_live("old@a")
    save("config.lua", CONFIG:format("error('boom')"), "the previous one runs again: ")
    save("config.lua", CONFIG:format("return { 'new@a' }"), "config.lua: reloaded")
    await_live("new@a")
  end)

  it("drops a poll in flight and polls the new version at once", function()
    folder:write("homies.lua", provider("print('in flight') require('engine.task').sleep(3600)"))
    start('return { via = "homies", sync_offset = 0, interval = 3600, timeout = 3600 }')
    hearing:expect("in flight")
    folder:write("homies.lua", provider("return { 'new@a' }"))
    await_live("new@a")
  end)

  it("takes a new version before the first poll, too", function()
    folder:write("homies.lua", provider("return { 'old@a' }"))
    start('return { via = "homies", sync_offset = 4000, interval = 3600 }')
    save("homies.lua", provider("return { 'new@a' }"), "reloaded")
    assert.is_nil(engine.clusters.default.last_poll)
    await_live("new@a")
    assert.is_nil(engine.clusters.default.registry:get("old@a"))
  end)

  it("starts and ends clusters as the config says; one that goes makes room for one that comes", function()
    local CLUSTER = [[%s = { via = { poll = function() return {} end, stop = function() print("%s stops") end,
      serve = function() print("%s serves") require("engine.task").sleep(3600) end } }, ]]
    local function config(...)
      local text = {}
      for _, name in ipairs({ ... }) do text[#text + 1] = CLUSTER:format(name, name, name) end
      return "return { sync_offset = 0, clusters = { " .. table.concat(text) .. "} }"
    end
    start(config("web", "cache"))
    hearing:expect("web serves")
    save("config.lua", config("web", "queue"), "cache stops")
    hearing:expect("queue serves")
    hearing:expect("config.lua: reloaded")
    assert.same({ true, false, true }, {
      engine.clusters.web ~= nil, engine.clusters.cache ~= nil, engine.clusters.queue ~= nil,
    })
  end)

  it("follows a change of log_level and of reload", function()
    start('return { sync_offset = 0, interval = 3600, reload = false }')
    save("config.lua", 'return { sync_offset = 0, interval = 3600, log_level = "debug" }', "config.lua: reloaded")
    assert.is_true(log.is_wanted("debug"))
    folder:write("config.lua", 'return { sync_offset = 0, interval = 3600, log_level = "info" }') -- now it watches
    hearing:expect("config.lua: reloaded")
    assert.is_false(log.is_wanted("debug"))
  end)

  it("follows a file that its config requires", function()
    folder:write("names.lua", "return { 'old@a' }")
    start('return { via = "list", node_list = require("names"), sync_offset = 0, interval = 3600 }')
    await_live("old@a")
    folder:write("names.lua", "return { 'new@a' }")
    await_live("new@a")
  end)

  it("shows the counters and restarts of a connector under its name", function()
    folder:write("links.lua", [[return { connect = function() return true end, serve = function() error("boom", 0) end,
      counters = function() return { links = 3, [1] = 2, words = "x" } end }]])
    start([[return { sync_offset = 0, interval = 3600, name = "me@here", via = function() return {} end,
      clusters = { default = { connect = "links" }, web = { connect = "links" } } }]])
    hearing:expect("serve() failed: boom")
    hearing:expect("serve() failed: boom")
    local text = engine:explain()
    for _, line in ipairs({ "connector links: links: 3", "web: connector links: links: 3", "web: connector links: restarts: 1" }) do
      assert.is_truthy(text:find("\n *" .. line .. "\n") or text:find("\n *" .. line .. "$"), text)
    end
    assert.is_nil(text:find("words", 1, true))
  end)

  it("ends within two seconds though all that say goodbye run in circles or wait", function()
    local CLUSTER = [[c%d = { via = { poll = function() return {} end, stop = function() %s end },
      connect = { connect = function() return true end, nodes = function() return {} end, stop = function() while true do end end } }]]
    local clusters = {}
    for i = 1, 5 do clusters[i] = CLUSTER:format(i, i == 1 and 'require("engine.task").sleep(60)' or "while true do end") end
    start("return { sync_offset = 0, interval = 3600, clusters = { " .. table.concat(clusters, ", ") .. " } }")
    local started, cpu, waited = timer.now(), os.clock(), usage.waited("self")
    engine:stop()
    cpu = os.clock() - cpu
    local took = timer.now() - started - (usage.waited("self") - waited)
    assert(cpu < 1.2, cpu) -- all together have a second
    assert(took < (Daemon.is_sanitized() and 4 or 2), took)
    hearing:expect("stop() failed: ")
  end)

  it("asks all for their counters at the same time", function()
    local hanging = "counters = function() require('engine.task').sleep(60) end"
    local clusters = {}
    for i = 1, 3 do
      clusters[i] = ("c%d = { via = { poll = function() return {} end, %s }, connect = { connect = print, %s } }"):format(
        i, hanging, hanging)
    end
    start("return { sync_offset = 0, interval = 3600, clusters = { " .. table.concat(clusters, ", ") .. " } }")
    local started = timer.now()
    engine:explain()
    assert(timer.now() - started < 4, timer.now() - started) -- a second for each of the six
  end)

  it("says the state of each cluster while clusters come", function()
    start([[return { sync_offset = 0, interval = 3600, clusters = {
      a = { via = { poll = function() return {} end, counters = function() require("engine.task").sleep(0.05) return { n = 1 } end } },
      b = { via = { poll = function() return {} end, counters = function() return { n = 2 } end } } } }]])
    local explained = task.spawn(function() return engine:explain() end)
    task.sleep(0.01)
    engine.clusters = { c = engine.clusters.a, d = engine.clusters.b }
    local text = explained:wait()
    engine.clusters = { a = engine.clusters.c, b = engine.clusters.d }
    for _, word in ipairs({ "cluster a: ", "cluster b: ", "a: provider table: n: 1", "b: provider table: n: 2" }) do
      assert.is_truthy(text:find(word, 1, true), text)
    end
  end)
end)
