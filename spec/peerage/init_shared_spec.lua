-- SPDX-License-Identifier: MIT
-- What clusters share by their connector, in an engine that reloads: when it is made, told of other options and closed,
-- and whose the connections are.
local Engine = require("support.engine")
local ErlangNode = require("support.erlang_node")

describe("an engine whose connector shares something", function()
  local host, folder, hearing, engine

  before_each(function()
    host = Engine.new()
    folder, hearing = host.folder, host.hearing
  end)
  after_each(function() host:close() end)

  local function start(text) engine = assert(host:start(text)) end
  local function save(...) return host:save(...) end

  local LINKS = [[return { options = { port = { type = "integer", default = 1 } }, connect = function() return true end,
    share = function(options, name)
      print("made for " .. name .. " with " .. options.port)
      require("engine.timer").every(3600, function() end)
      %s
      return { close = function() print("closed") end }
    end,
    serve = function(self) print("served " .. type(self.shared)) require("engine.task").sleep(3600) end,
    stop = function(self) print("stopped") end, %s }]]
  local HEAD = 'return { sync_offset = 0, interval = 3600, name = "me@here", via = function() return {} end, connect = "none", '

  local function config(text) return HEAD .. text .. " }" end
  local function order_of(...)
    local wanted, seen = {}, {}
    for _, text in ipairs({ ... }) do wanted[text] = true end
    for _, entry in ipairs(hearing.said) do
      if wanted[entry.message] then seen[#seen + 1] = entry.message end
    end
    return seen
  end

  before_each(function() folder:write("links.lua", LINKS:format("", "")) end)

  it("has it made once before its clusters start, and closed when they have stopped", function()
    start(config('clusters = { a = { connect = "links" }, b = { connect = "links" }, c = {} }'))
    hearing:expect("served table")
    hearing:expect("served table")
    host:stop()
    assert.same({ "made for me@here with 1", "served table", "served table", "stopped", "stopped", "closed" },
      order_of("made for me@here with 1", "served table", "stopped", "closed"))
  end)

  it("does not start when that cannot be made, and leaves nothing", function()
    folder:write("other.lua", LINKS:format('if true then return nil, "me@here is in use" end', ""))
    assert.same({ nil, "connector other: me@here is in use" },
      { host:start(config('clusters = { a = { connect = "links" }, b = { connect = "other" } }')) })
    assert.same({ "made for me@here with 1", "made for me@here with 1", "closed" },
      order_of("made for me@here with 1", "served table", "closed"))
  end)

  it("makes it for a cluster that comes, and closes it after the last that goes", function()
    start(config("clusters = { a = {} }"))
    save("config.lua", config('clusters = { a = {}, b = { connect = "links" }, c = { connect = "links" } }'), "made for")
    hearing:expect("served table")
    hearing:expect("served table")
    save("config.lua", config('clusters = { a = {}, c = { connect = "links" } }'), "config.lua: reloaded")
    assert.equal(0, hearing:count("closed"))
    save("config.lua", config("clusters = { a = {}, c = {} }"), "config.lua: reloaded")
    assert.same({ "stopped", "stopped", "closed" }, order_of("stopped", "closed"))
    assert.equal(1, hearing:count("made for"))
  end)

  it("keeps the old config when it cannot be made for a new one, until a change mends that", function()
    folder:write("links.lua", LINKS:format('do return nil, "in use" end', ""))
    start(config("clusters = { default = {} }"))
    save("config.lua", config('interval = 1800, clusters = { default = { connect = "links" } }'),
      "not reloaded, the old config stays: connector links: in use")
    assert.same({ "none", 3600 }, { engine.clusters.default.connector_part.name, engine.clusters.default.settings.interval })
    save("links.lua", LINKS:format("", ""), "served table")
    assert.equal(1800, engine.clusters.default.settings.interval)
  end)

  it("tries a config that was refused again when it is told to reload, though no file has changed", function()
    folder:write("links.lua", LINKS:format(([[if not io.open("%s") then return nil, "in use" end]]):format(folder.path .. "/free"), ""))
    start(config("clusters = { default = {} }"))
    local connected = config('connect = "links"')
    for _ = 1, 2 do save("config.lua", connected, "not reloaded, the old config stays: connector links: in use") end
    folder:write("free", "")
    save("config.lua", connected, "served table")
    hearing:expect("config.lua: reloaded")
    engine:reload_now() -- which is nothing any more
    save("config.lua", connected .. " -- changed", "config.lua: reloaded")
    assert.equal(2, hearing:count("config.lua: reloaded"))
  end)

  it("keeps it through a reload of the connector's file, and makes it when a new version begins to share", function()
    folder:write("links.lua", "return { connect = function() return true end, stop = function() print('stopped plain') end }")
    start(config('connect = "links"'))
    save("links.lua", LINKS:format("", ""), "served table")
    save("links.lua", LINKS:format("", "nodes = function() return {} end,"), "served table")
    assert.equal(1, hearing:count("made for"))
    assert.equal(0, hearing:count("closed"))
    save("links.lua", "return { connect = function() return true end }", "closed")
  end)

  it("keeps the old version when a new one cannot make it", function()
    folder:write("links.lua", "return { connect = function() return true end, stop = function() print('stopped plain') end }")
    start(config('connect = "links"'))
    save("links.lua", LINKS:format('do return nil, "in use" end', ""),
      "not reloaded, the old version keeps running: connector links: in use")
    assert.equal(0, hearing:count("stopped plain"))
    save("links.lua", LINKS:format("", ""), "served table")
  end)

  it("tries a connector's version again that could not make it when it is told to reload, though no file has changed", function()
    folder:write("links.lua", "return { connect = function() return true end }")
    start(config('connect = "links"'))
    local text = LINKS:format(([[if not io.open("%s") then return nil, "in use" end]]):format(folder.path .. "/free"), "")
    for _ = 1, 2 do save("links.lua", text, "the old version keeps running: connector links: in use") end
    folder:write("free", "")
    save("links.lua", text, "served table")
    engine:reload_now() -- which is nothing any more
    save("config.lua", config('connect = "links"') .. " -- changed", "config.lua: reloaded")
    assert.equal(1, hearing:count("served table"))
  end)

  describe("and other options", function()
    local TELLING = [[
      local M = { options = { port = { type = "integer", default = 1 } } }
      function M.share(options)
        print("made with " .. options.port)
        return {
          configure = function(_, given)
            print("told of " .. given.port)
            %s
          end,
          close = function() print("closed " .. options.port) end,
        }
      end
      function M.serve() print("served") require("engine.task").sleep(3600) end
      function M.connect() return true end
      function M.nodes(self)
        print("asked with " .. self.options.port)
        return {}
      end
      function M.stop() print("stopped") end
      return M]]

    local function use(text)
      folder:write("links.lua", TELLING:format(text))
      start(config('connect = { "links", port = 5 }, clusters = { a = {}, b = {} }'))
      for _ = 1, 2 do hearing:expect("asked with 5") end
    end

    it("tells it once, and the connectors go on with them", function()
      use("return true")
      for _, port in ipairs({ 6, 7, 6 }) do
        local text = config(('connect = { "links", port = %d }, clusters = { a = {}, b = {} }'):format(port))
        save("config.lua", text, "told of " .. port)
        for _ = 1, 2 do hearing:expect("other options are taken over") end
        engine.clusters.a:poll_soon()
        engine.clusters.b:poll_soon()
        for _ = 1, 2 do hearing:expect("asked with " .. port) end
      end
      assert.same({ "made with 5", "served", "served", "told of 6", "told of 7", "told of 6" },
        order_of("made with 5", "served", "told of 6", "told of 7", "stopped", "closed 5"))
    end)

    it("tells it of those of clusters that come in the place of others", function()
      use("return true")
      save("config.lua", config('clusters = { c = { connect = { "links", port = 6 } }, b = {} }'), "told of 6")
      save("config.lua", config('clusters = { c = {}, b = { connect = { "links", port = 7 } } }'), "told of 7")
      hearing:expect("asked with 7")
      hearing:expect("config.lua: reloaded")
      assert.same({ 1, 0 }, { hearing:count("made with"), hearing:count("closed") })
    end)

    it("says nothing of them to it while they are of a config that is refused", function()
      use("return true")
      folder:write("other.lua", LINKS:format('do return nil, "in use" end', ""))
      save("config.lua", config('clusters = { a = { connect = { "links", port = 6 } }, b = { connect = "other" } }'), "in use")
      assert.equal(0, hearing:count("told of"))
    end)

    it("makes it anew when it does not take them over, and closes the old one when nobody has it any more", function()
      use("return false")
      save("config.lua", config('connect = { "links", port = 6 }, clusters = { a = {}, b = {} }'), "made with 6")
      for _ = 1, 2 do hearing:expect("asked with 6") end
      hearing:expect("config.lua: reloaded")
      assert.same({ "made with 5", "told of 6", "made with 6", "stopped", "stopped", "closed 5" },
        order_of("made with 5", "told of 6", "made with 6", "stopped", "closed 5", "closed 6"))
      save("config.lua", config("clusters = { a = {}, b = {} }"), "closed 6")
    end)

    it("keeps it when it cannot be made anew", function()
      folder:write("links.lua", LINKS:format('if options.port == 6 then return nil, "in use" end', ""))
      start(config('connect = { "links", port = 5 }'))
      save("config.lua", config('connect = { "links", port = 6 }'),
        "cannot be made anew, so its other options need a restart: connector links: in use")
      hearing:expect("served table")
      hearing:expect("config.lua: reloaded")
      assert.same({ 0, 1, 6 }, { hearing:count("closed"), hearing:count("made for me@here with 5"),
        engine.clusters.default.connector_part.options.port })
    end)
  end)

  describe("with connections that several clusters want", function()
    it("leaves an Erlang link that one cluster made while another finds the node, and ends it after the last", function()
      local peer = assert(ErlangNode.start("b@127.0.0.1"))
      finally(function() peer:close() end)
      local FINDS = ("{ via = { 'list', node_list = { { name = 'b@127.0.0.1', port = %d } } } }, "):format(peer.listener.port)
      local function clusters(text, ticktime)
        return ([[return { sync_offset = 0, interval = 3600, name = "me@127.0.0.1", via = function() return {} end,
          connect = { "erlang", cookie = "secret", epmd = "off", ticktime = %d }, clusters = { idle = {}, %s } }]])
          :format(ticktime or 60, text)
      end
      start(clusters("one = " .. FINDS))
      host:await_live("b@127.0.0.1", "one")
      save("config.lua", clusters("one = " .. FINDS .. "two = " .. FINDS), "config.lua: reloaded")
      host:await_live("b@127.0.0.1", "two")
      save("config.lua", clusters("two = " .. FINDS, 30), "config.lua: reloaded")
      assert.same({ "+me@127.0.0.1" }, peer.events)
      assert.is_true(engine.clusters.two.registry:get("b@127.0.0.1").live)
      assert.equal(30, engine.clusters.two.connector_part.shared.node.spec.ticktime)
      save("config.lua", clusters(""), "config.lua: reloaded")
      host.await(function() return peer.events[2] == "-me@127.0.0.1 closed" end, "the end of the link")
    end)

    it("hands them over before a connector is replaced", function()
      local WANTS = [[
        local M = {}
        function M.share() return { wanted = {}, close = function() end } end
        function M.connect(self, node)
          local who = self.shared.wanted[node.name] or {}
          who[self], self.shared.wanted[node.name] = true, who
          return true
        end
        function M.nodes(self)
          local names = {}
          for name in pairs(self.shared.wanted) do names[#names + 1] = name end
          return names
        end
        function M.stop(self)
          for name, who in pairs(self.shared.wanted) do
            who[self] = nil
            if not next(who) then
              print("cut " .. name)
              self.shared.wanted[name] = nil
            end
          end
        end
        return M -- ]]
      local function clusters(text)
        return ([[return { sync_offset = 0, interval = 3600, name = "me@here", via = { "list", node_list = { "b@h" } },
          connect = "wants", clusters = { %s } }]]):format(text)
      end
      folder:write("wants.lua", WANTS)
      start(clusters("one = {}"))
      host:await_live("b@h", "one")
      save("config.lua", clusters("one = {}, two = {}"), "config.lua: reloaded")
      host:await_live("b@h", "two")
      save("wants.lua", WANTS .. "changed", "reloaded")
      hearing:expect("reloaded")
      save("config.lua", clusters('one = { connect = "none" }, two = {}'), "config.lua: reloaded")
      assert.equal(0, hearing:count("cut b@h"))
      save("config.lua", clusters('one = { connect = "none" }, two = { connect = "none" }'), "cut b@h")
    end)
  end)
end)
