-- SPDX-License-Identifier: MIT
-- The sidecar connector beside a BEAM node that is played by the spec: what it asks of it, and what it makes of the answers.
local FakeNode = require("support.fake_node")
local Beam = require("peerage.erlang.beam")
local connector = require("peerage.connectors.sidecar")
local etf = require("peerage.erlang.etf")
local log = require("engine.log")
local schema = require("peerage.schema")
local scopes = require("engine.scope")
local task = require("engine.task")

local NAME = "app@10.0.0.1"

describe("the sidecar connector", function()
  local scope, node, self, warnings

  local function start()
    scope, warnings = scopes.new(), {}
    local start_node, made = FakeNode.starter()
    local options = assert(schema.validate(connector.options, { cookie = "x" }, "connect"))
    self = setmetatable({
      name = NAME, scope = scope, options = options,
      log = { warn = function(message, fields) warnings[#warnings + 1] = message .. " " .. fields.name end },
      shared = Beam.start({
        name = NAME, options = options, scope = scope, log = log.named("connector sidecar"), start_node = start_node,
        delays = { first = 0.001, max = 0.001, steady = 1 },
      }),
    }, { __index = connector })
    task.sleep(0)
    node = made[1]
  end

  local function link() node:decide(true) end

  before_each(function()
    log.capture(function() end)
    start()
  end)
  after_each(function()
    self.shared:close()
    scope:close()
    log.capture(nil)
  end)

  it("has the BEAM node connect, and takes its word", function()
    link()
    node.answers.connect_node = etf.atom("true")
    assert.same({ true }, { self:connect({ name = "b@10.0.0.2", port = 1 }) })
    assert.same({ "app@10.0.0.1 net_kernel:connect_node['b@10.0.0.2']" }, node.calls)
    for answer, reason in pairs({
      ["false"] = "not reachable from the BEAM node, or their cookies differ",
      ignored = "the BEAM node is not distributed",
      ok = "the BEAM node answered ok",
    }) do
      node.answers.connect_node = etf.atom(answer)
      assert.same({ false, reason }, { self:connect({ name = "b@10.0.0.2" }) })
    end
    node.answers.connect_node = { message = "timed out after 4.5 s" }
    assert.same({ false, "net_kernel:connect_node of the BEAM node: timed out after 4.5 s" },
      { self:connect({ name = "b@10.0.0.2" }) })
  end)

  it("holds nothing against a node when the BEAM node goes while it is asked", function()
    link()
    node.answers.connect_node = function()
      node:tell(NAME, false, "closed")
      return { message = "closed" }
    end
    assert.same({ false, "net_kernel:connect_node of the BEAM node: closed", "EAGAIN" }, { self:connect({ name = "b@10.0.0.2" }) })
  end)

  it("says what it waits for as long as there is no link, and names nobody as live", function()
    assert.same({ false, "waiting for the BEAM node app@10.0.0.1: not yet tried", "EAGAIN" },
      { self:connect({ name = "b@10.0.0.2" }) })
    assert.same({}, self:nodes())
    self:disconnect({ name = "b@10.0.0.2" })
    link()
    node.answers.connect_node, node.answers.nodes = etf.atom("true"), etf.list({ etf.atom("b@10.0.0.2") })
    assert.is_true((self:connect({ name = "b@10.0.0.2" })))
    assert.same({ "b@10.0.0.2" }, self:nodes())
    node:tell(NAME, false, "closed")
    assert.same({ false, "waiting for the BEAM node app@10.0.0.1: closed", "EAGAIN" },
      { self:connect({ name = "b@10.0.0.2" }) })
    assert.same({}, self:nodes())
    assert.equal(1, self.shared.allowance.count)
  end)

  it("knows who is live from the BEAM node, without itself and what is no node name", function()
    link()
    node.answers.nodes = etf.list({
      etf.atom("b@10.0.0.2"), etf.atom("peerage-app@10.0.0.1"), etf.atom("peerage-b@10.0.0.2"), etf.atom("strange"), 7,
    })
    assert.same({ "b@10.0.0.2", "peerage-b@10.0.0.2" }, self:nodes())
    assert.same({ "app@10.0.0.1 erlang:nodes[connected]" }, node.calls)
    node.answers.nodes = { message = "timed out after 1 s" }
    assert.same({ nil, "erlang:nodes of the BEAM node: timed out after 1 s" }, { self:nodes() })
    node.answers.nodes = etf.atom("what")
    assert.same({ nil, "expected a list of nodes, found what" }, { self:nodes() })
  end)

  it("hands over neither its own names, nor what is no name, nor short hosts", function()
    link()
    assert.same({ true }, { self:connect({ name = NAME }) })
    for name, reason in pairs({
      ["peerage-app@10.0.0.1"] = "that is the sidecar itself",
      ["b@web2"] = "a host without a dot: the BEAM node takes long names only",
      [("b"):rep(250) .. "@10.0.0.2"] = "not a node name of at most 255 bytes",
      ["b c@10.0.0.2"] = "not a node name of at most 255 bytes",
    }) do
      assert.same({ false, reason }, { self:connect({ name = name }) })
    end
    assert.same({}, node.calls)
    assert.equal(0, self.shared.allowance.count)
    node.answers.connect_node = etf.atom("true")
    assert.is_true((self:connect({ name = "b@fd00::2" })))
    assert.is_true((self:connect({ name = ("b"):rep(246) .. "@10.0.0.2" })))
  end)

  it("hands over 100 new names a minute, and those known as often as it likes", function()
    link()
    node.answers.connect_node = etf.atom("false")
    for i = 1, 100 do self:connect({ name = ("n%d@10.0.0.2"):format(i) }) end
    assert.same({ false, "the BEAM node was given 100 new names within a minute: this one has to wait", "EAGAIN" },
      { self:connect({ name = "one@10.0.0.2" }) })
    assert.equal(100, #node.calls)
    node.answers.connect_node = etf.atom("true")
    assert.is_true((self:connect({ name = "n7@10.0.0.2" })))
    assert.same({ links = 1, names = 100, ["names refused"] = 1 }, self:counters())
  end)

  it("has only those disconnected that it handed over", function()
    link()
    node.answers.connect_node, node.answers.disconnect_node = etf.atom("true"), etf.atom("true")
    self:disconnect({ name = "b@10.0.0.2" })
    assert.same({}, node.calls)
    self:connect({ name = "b@10.0.0.2" })
    self:disconnect({ name = "b@10.0.0.2" })
    assert.equal("app@10.0.0.1 erlang:disconnect_node['b@10.0.0.2']", node.calls[2])
    assert.same({}, warnings)
    node.answers.disconnect_node = { message = "timed out after 1 s" }
    self:disconnect({ name = "b@10.0.0.2" })
    assert.same({ "cannot disconnect: erlang:disconnect_node of the BEAM node: timed out after 1 s b@10.0.0.2" }, warnings)
  end)

  it("takes over other options without losing its link", function()
    link()
    assert.is_true(self.shared:configure({ cookie = "y", ticktime = 5, max_frame = 80000 }))
    assert.same({ ticktime = 5, max_frame = 80000 }, node.changes)
    assert.is_true(self.shared:is_linked())
  end)

  it("is refused a name that is not given, short or too long", function()
    local function check(name, name_given)
      return { connector.check({}, { name = name, name_given = name_given, provider = { name = "self", options = {} } }) }
    end
    assert.same({ true }, check(NAME, true))
    assert.same({ true }, check("app@fd00::1", true))
    assert.same({ true }, check(("a"):rep(247 - 9) .. "@10.0.0.1", true))
    assert.same({ nil, 'a sidecar speaks for the BEAM node of its name: expected name = "app@host", found none' },
      check("peerage-x7@10.0.0.1", false))
    assert.same({ nil, "nodes with short names (-sname) are not supported: start the BEAM node with -name, "
      .. "and give a name whose host has a dot, found app@web1" }, check("app@web1", true))
    local long = ("a"):rep(248 - 9) .. "@10.0.0.1"
    assert.same({ nil, ("the name is too long: the sidecar's own node is called peerage-%s, which has 256 bytes, 255 are allowed")
      :format(long) }, check(long, true))
  end)

  it("is refused beside a provider that takes names from anyone, unless that is said to be wanted", function()
    local function check(exposure)
      return { connector.check({}, {
        name = NAME, name_given = true, provider = { name = "udp", options = {}, exposure = exposure },
      }) }
    end
    assert.same({ nil, "provider udp takes names from anyone on the network, and the BEAM node would connect to them: "
      .. "give it a secret, or write accept_plain = true" }, check("open"))
    assert.same({ true, "anyone on the network can have the BEAM node connect to others: provider udp takes names from anyone" },
      check("accepted"))
    assert.same({ true }, check(nil))
  end)

  it("wants its cookie from one place", function()
    assert.same({ nil, "expected cookie or cookie_file, found both" }, { connector.check({ cookie = "x", cookie_file = "f" }, {
      name = NAME, name_given = true, provider = { name = "self", options = {} },
    }) })
  end)
end)
