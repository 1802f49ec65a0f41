-- SPDX-License-Identifier: MIT
local ErlangNode = require("support.erlang_node")
local Folder = require("support.folder")
local erlang = require("peerage.connectors.erlang")
local log = require("engine.log")
local schema = require("peerage.schema")
local task = require("engine.task")
local tcp = require("engine.tcp")
local eventually = require("support.eventually")

describe("the connector erlang", function()
  local shared, peer, clusters, serving, said

  local function options(given)
    given.cookie = given.cookie or "secret"
    given.epmd = "off"
    return assert(schema.validate(erlang.options, given, "spec"))
  end

  -- A cluster as the connector knows it.
  local function cluster()
    local self, events = { shared = shared }, {}
    self.events = events
    self.up = function(_, name) events[#events + 1] = "+" .. name end
    self.down = function(_, name, reason) events[#events + 1] = ("-%s %s"):format(name, reason) end
    serving[#serving + 1] = task.spawn(erlang.serve, self)
    task.sleep(0)
    clusters[#clusters + 1] = self
    return self
  end

  local function node_of_peer() return { name = "b@127.0.0.1", port = peer.listener.port } end

  before_each(function()
    said, clusters, serving = {}, {}, {}
    log.capture(function(level, _, message) said[#said + 1] = level .. ": " .. message end)
    shared = assert(erlang.share(options({}), "a@127.0.0.1", log.named("spec")))
    peer = assert(ErlangNode.start("b@127.0.0.1"))
  end)

  after_each(function()
    for _, each in ipairs(serving) do each:cancel() end
    shared:close()
    peer:close()
    log.capture(nil)
  end)

  it("listens on the address of the name, and says what it opened", function()
    assert.are.equal("127.0.0.1", shared.node.listener.host)
    assert.is_truthy(table.concat(said, "\n"):find("info: this is an Erlang node now", 1, true))
  end)

  it("listens on all addresses when the name has a host name", function()
    local other = assert(erlang.share(options({}), "a@localhost", log.named("spec")))
    assert.are.equal("0.0.0.0", other.node.listener.host)
    other:close()
  end)

  it("listens where it is told to, on a port of those that it may have", function()
    local first = shared.node.listener.port
    local other = assert(erlang.share(options({ listen = "127.0.0.2", dist_port = first }), "c@10.0.0.1", log.named("spec")))
    assert.are.same({ "127.0.0.2", first }, { other.node.listener.host, other.node.listener.port })
    other:close()
    local none, message = erlang.share(options({ listen = "127.0.0.1", dist_port = first }), "c@10.0.0.1", log.named("spec"))
    assert.is_nil(none)
    assert.are.equal(("cannot listen on 127.0.0.1:%d: address already in use"):format(first), message)
    none, message = erlang.share(options({}), "c@10.99.0.1", log.named("spec"))
    assert.is_nil(none)
    assert.are.equal("cannot listen on 10.99.0.1:0: address not available: see the option listen", message)
  end)

  it("tells each cluster of links, whoever made them", function()
    local one, two = cluster(), cluster()
    assert.is_true(erlang.connect(one, node_of_peer()))
    for _, self in ipairs({ one, two }) do
      assert.are.same({ "b@127.0.0.1" }, erlang.nodes(self))
      assert.are.same({ "+b@127.0.0.1" }, self.events)
    end
    peer:close()
    eventually(function() return #one.events == 2 and #two.events == 2 end)
    assert.are.equal("-b@127.0.0.1 closed", one.events[2])
  end)

  it("ends a link when the last cluster that wants it lets go", function()
    local one, two = cluster(), cluster()
    assert.is_true(erlang.connect(one, node_of_peer()))
    assert.is_true(erlang.connect(two, node_of_peer()))
    erlang.disconnect(one, node_of_peer())
    assert.are.same({}, erlang.nodes(one)) -- else it would be live again at the next poll
    assert.are.same({ "b@127.0.0.1" }, erlang.nodes(two))
    task.sleep(0.05)
    assert.are.same({ "b@127.0.0.1" }, shared.node:names())
    erlang.stop(two)
    eventually(function() return #shared.node:names() == 0 end)
    eventually(function() return peer.events[2] == "-a@127.0.0.1 closed" end)
  end)

  it("connects a node again that it let go", function()
    local one, two = cluster(), cluster()
    erlang.connect(one, node_of_peer())
    erlang.connect(two, node_of_peer())
    erlang.disconnect(one, node_of_peer())
    assert.is_true(erlang.connect(one, node_of_peer()))
    assert.are.same({ "b@127.0.0.1" }, erlang.nodes(one))
    erlang.stop(two)
    task.sleep(0.05)
    assert.are.same({ "b@127.0.0.1" }, shared.node:names())
  end)

  it("leaves links that the other side made", function()
    local one = cluster()
    assert.is_true(peer:connect("a@127.0.0.1", { port = shared.node.listener.port }))
    eventually(function() return #erlang.nodes(one) == 1 end)
    erlang.disconnect(one, node_of_peer())
    erlang.stop(one)
    task.sleep(0.05)
    assert.are.same({ "b@127.0.0.1" }, shared.node:names())
  end)

  it("wants nothing of a node that it could not link to", function()
    local one = cluster()
    local ok, reason = erlang.connect(one, { name = "c@127.0.0.1", port = peer.listener.port })
    assert.is_false(ok)
    assert.is_truthy(reason:find("^conflict"))
    assert.are.same({}, shared.wanted)
  end)

  it("ends an attempt that nobody wants any more, as a link", function()
    local one = cluster()
    local listener = assert(tcp.listen({ host = "127.0.0.1" }))
    local _, port = listener:address()
    local dialling = task.spawn(function() return { erlang.connect(one, { name = "b@127.0.0.1", port = port }) } end)
    local stream = assert(listener:accept())
    erlang.stop(one)
    assert.are.same({ false, "closed" }, dialling:wait())
    assert.are.same({}, shared.wanted)
    stream:close()
    listener:close()
  end)

  it("wants a link that comes after the time of who asked for it, and none that fails then", function()
    local one = cluster()
    local listener = assert(tcp.listen({ host = "127.0.0.1" }))
    local _, port = listener:address()
    local function dial(at_port)
      task.spawn(function() erlang.connect(one, { name = "b@127.0.0.1", port = at_port }) end):cancel()
      local asking = task.spawn(function() erlang.connect(one, { name = "b@127.0.0.1", port = at_port }) end)
      task.sleep(0)
      asking:cancel()
    end
    dial(port)
    assert(listener:accept()):close()
    eventually(function() return next(shared.wanted) == nil end)
    listener:close()
    dial(peer.listener.port)
    eventually(function() return #shared.node:names() == 1 end)
    erlang.disconnect(one, node_of_peer())
    assert.are.same({}, shared.node:names())
  end)

  it("holds nothing of nodes that came and went", function()
    local one, two = cluster(), cluster()
    for i = 1, 30 do
      local guest = assert(ErlangNode.start(("guest%d@127.0.0.1"):format(i)))
      local node = { name = guest.spec.name, port = guest.listener.port }
      assert.is_true(erlang.connect(one, node))
      assert.is_true(erlang.connect(two, node))
      erlang.disconnect(one, node)
      if i % 2 == 0 then erlang.disconnect(two, node) end
      guest:close()
      erlang.disconnect(one, { name = ("stranger%d@127.0.0.1"):format(i) })
    end
    eventually(function() return #shared.node:names() == 0 end)
    assert.are.same({}, shared.wanted)
    assert.are.same({ {}, {} }, { one.dropped, two.dropped })
    assert.are.equal(60, #two.events)
  end)

  it("tells of each link once, though it was ended and serves again", function()
    local one = cluster()
    serving[#serving]:cancel()
    serving[#serving] = task.spawn(erlang.serve, one)
    task.sleep(0)
    assert.is_true(erlang.connect(one, node_of_peer()))
    assert.are.same({ "+b@127.0.0.1" }, one.events)
  end)

  it("stops before it has served", function()
    erlang.stop({ shared = shared })
  end)

  it("takes a new cookie for handshakes to come, and keeps the links", function()
    local one = cluster()
    erlang.connect(one, node_of_peer())
    assert.is_true(shared:configure(options({ cookie = "another", ticktime = 30 })))
    assert.are.same({ "b@127.0.0.1" }, erlang.nodes(one))
    assert.are.equal(30, shared.node.spec.ticktime)
    erlang.disconnect(one, node_of_peer())
    eventually(function() return #peer:names() == 0 end)
    local ok, reason = erlang.connect(one, node_of_peer())
    assert.is_false(ok)
    assert.is_truthy(reason:find("^wrong cookie"))
  end)

  it("says what only a restart changes, each time", function()
    local changed = options({ hidden = false, dist_port = { 9100, 9109 } })
    for _ = 1, 2 do
      said = {}
      shared:configure(changed)
      assert.are.same({ "warn: dist_port: changed: that needs a restart", "warn: hidden: changed: that needs a restart" }, said)
    end
    said = {}
    shared:configure(options({}))
    assert.are.same({}, said)
  end)

  it("is refused without a name of its own", function()
    local nameless = { name = nil, name_given = false, provider = { name = "dns", options = {} } }
    assert.are.same({ nil, 'an Erlang node needs a name of its own: expected name = "app@host", found none' },
      { erlang.check(options({}), nameless) })
  end)

  it("is refused a cookie_file that will not do, before anything starts", function()
    local folder = Folder.new()
    finally(function() folder:remove() end)
    local path = folder.path .. "/cookie"
    local function check(file)
      return { erlang.check({ cookie_file = file or path }, { name_given = true, provider = { name = "dns", options = {} } }) }
    end
    assert.are.same({ nil, ("cannot read %s: no such file or directory"):format(path) }, check())
    assert.are.same({ nil, ("cannot read %s: it is a directory, expected a regular file"):format(folder.path) }, check(folder.path))
    folder:sh("printf '' > cookie; chmod 400 cookie")
    assert.are.same({ nil, path .. ": expected a cookie, found nothing" }, check())
    folder:sh("chmod 600 cookie; printf 'c' > cookie; chmod 404 cookie")
    local ok, message = unpack(check(), 1, 2)
    assert.is_nil(ok)
    assert.is_truthy(message:find("its mode 0404 lets others in", 1, true), message)
    folder:sh("chmod 400 cookie")
    assert.are.same({ true }, check())
  end)

  it("listens on an address, which a name or an interface is not", function()
    for _, address in ipairs({ "0.0.0.0", "127.0.0.1", "::", "fd00::1", "fe80::1%eth0", "::ffff:10.0.0.1" }) do
      assert.are.equal(address, options({ listen = address }).listen)
    end
    for _, text in ipairs({ "eth0", "localhost", "10.0.0", "10.0.0.256", "1.2.3.4.5", "web:1", "" }) do
      assert.are.same({ nil, ('spec: listen: expected an address like 0.0.0.0 or ::1, found "%s"'):format(text) },
        { schema.validate(erlang.options, { listen = text }, "spec") })
    end
  end)

  it("refuses what cannot be, and warns of what is doubtful", function()
    local safe = { name = "a@127.0.0.1", name_given = true, provider = { name = "dns", options = {} } }
    local open = { name = "a@127.0.0.1", name_given = true, provider = { name = "udp", options = {}, exposure = "open" } }
    assert.are.same({ true }, { erlang.check(options({}), safe) })
    assert.are.same({ nil, "expected cookie or cookie_file, found both" },
      { erlang.check(options({ cookie_file = "x" }), safe) })
    local ok, warning = erlang.check(options({}), open)
    assert.is_true(ok)
    assert.is_truthy(warning:find("provider udp", 1, true))
    for given, message in pairs({
      cookie = "spec: cookie: expected a string of 1 to 255 bytes, found a string of 0 bytes",
      dist_port = "spec: dist_port: expected whole numbers, found 1.5 and 1.5",
      epmd = 'spec: epmd: expected "auto", "client" or "off", found "on"',
    }) do
      local value = ({ cookie = "", dist_port = 1.5, epmd = "on" })[given]
      assert.are.same({ nil, message }, { schema.validate(erlang.options, { [given] = value }, "spec") })
    end
  end)
end)
