-- SPDX-License-Identifier: MIT
-- The link of a sidecar to its BEAM node: it comes, it comes back, and says what it waits for.
local Beam = require("peerage.erlang.beam")
local FakeNode = require("support.fake_node")
local etf = require("peerage.erlang.etf")
local log = require("engine.log")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local NAME = "app@127.0.0.1"
local QUICK = { first = 0.001, max = 0.004, steady = 1 }

describe("a sidecar's link to its BEAM node", function()
  local scope, lines, made, beam

  local function start(options, failures, delays)
    local start_node
    start_node, made = FakeNode.starter(failures)
    beam = Beam.start({
      name = NAME, options = options or { cookie = "x", ticktime = 60, max_frame = 65536 }, scope = scope,
      log = log.named("connector sidecar"), start_node = start_node, delays = delays or QUICK,
    })
    task.sleep(0)
  end

  before_each(function()
    scope, lines = scopes.new(), {}
    log.capture(function(level, _, message) lines[#lines + 1] = level .. " " .. message end)
  end)
  after_each(function()
    beam:close()
    scope:close()
    log.capture(nil)
  end)

  it("is made by a hidden node of its own that nobody can reach", function()
    start({ cookie = "x", ticktime = 30, max_frame = 70000, port = 4711 })
    assert.equal("not yet tried", beam.reason)
    local spec, attempt = made[1].spec, made[1]:decide(true)
    assert.equal("peerage-app@127.0.0.1", spec.name)
    assert.same({ true, false, "off", 30, 70000 }, { spec.hidden, spec.listen, spec.epmd, spec.ticktime, spec.max_frame })
    assert.equal("x", spec.cookie())
    assert.same({ NAME, 4711 }, { attempt.name, attempt.options.port })
    assert.is_true(beam:is_linked())
    assert.same({ "info speaks for the BEAM node app@127.0.0.1" }, lines)
  end)

  it("is tried again and again, and says each reason once", function()
    start()
    for _ = 1, 3 do
      made[1]:decide("not reachable: connection refused")
      assert.is_false(beam:is_linked())
      assert.equal("waiting for the BEAM node app@127.0.0.1: not reachable: connection refused", beam:waits_for())
      made[1]:decide("name not registered: app")
    end
    made[1]:decide(true)
    assert.same({
      "warn waiting for the BEAM node app@127.0.0.1: not reachable: connection refused",
      "warn waiting for the BEAM node app@127.0.0.1: name not registered: app",
      "info speaks for the BEAM node app@127.0.0.1",
    }, lines)
  end)

  it("comes back when it has gone, and says so anew", function()
    start(nil, nil, { first = 0.001, max = 0.001, steady = 0.02 })
    for _ = 1, 2 do
      made[1]:decide(true)
      task.sleep(0.03)
      made[1]:tell("other@127.0.0.1", false, "closed")
      assert.is_true(beam:is_linked())
      made[1]:tell(NAME, false, "closed")
      assert.is_false(beam:is_linked())
      made[1]:decide("not reachable: connection refused")
    end
    local outage = {
      "info speaks for the BEAM node app@127.0.0.1",
      "warn waiting for the BEAM node app@127.0.0.1: closed",
      "warn waiting for the BEAM node app@127.0.0.1: not reachable: connection refused",
    }
    assert.same({ outage[1], outage[2], outage[3], outage[1], outage[2], outage[3] }, lines)
    assert.equal(1, #made)
  end)

  it("waits longer after each failure, and begins anew only after a link that lasted", function()
    start(nil, nil, { first = 0.5, max = 1, steady = 1 })
    local function pause(verdict, lasts)
      made[1]:decide(verdict)
      if verdict == true then
        task.sleep(lasts)
        made[1]:tell(NAME, false, "closed")
      end
      local started = timer.now()
      local attempt = made[1].attempts:pop()
      made[1].attempts:push(attempt)
      return timer.now() - started
    end
    local pauses = { pause("not reachable"), pause(true, 0), pause("not reachable"), pause(true, 1.01) }
    for i, least in ipairs({ 0.35, 0.75, 0.75, 0.35 }) do
      assert(pauses[i] >= least, ("%g for the pause %d"):format(pauses[i], i))
    end
    for _, i in ipairs({ 1, 4 }) do assert(pauses[i] < 0.75, ("%g for the pause %d"):format(pauses[i], i)) end
  end)

  it("asks for another sidecar when it does not last, twice in a row", function()
    start(nil, nil, { first = 0.001, max = 0.001, steady = 1 })
    local function lasts(seconds)
      made[1]:decide(true)
      task.sleep(seconds)
      made[1]:tell(NAME, false, "closed")
      task.sleep(0)
      return beam.reason
    end
    assert.equal("closed", lasts(0))
    for _ = 1, 2 do assert.equal("closed: does another sidecar speak for this node, too?", lasts(0)) end
    assert.equal("closed", lasts(1.01))
    assert.equal("closed", lasts(0))
  end)

  it("is left alone for long after a wrong cookie, but not when the options change", function()
    start()
    made[1]:decide("wrong cookie: all nodes need the same one")
    assert.is_nil((task.timeout(0.1, made[1].attempts.pop, made[1].attempts)))
    assert.is_true(beam:configure({ cookie = "y", ticktime = 5, max_frame = 80000, port = 4712 }))
    local attempt = made[1]:decide(true)
    assert.equal(4712, attempt.options.port)
    assert.equal("y", made[1].spec.cookie())
    assert.same({ ticktime = 5, max_frame = 80000 }, made[1].changes)
  end)

  it("needs a cookie first, and waits for that, too", function()
    start(nil, { "no cookie: there is no such file" })
    assert.same({ "warn waiting for the BEAM node app@127.0.0.1: no cookie: there is no such file" }, lines)
    beam:configure(beam.options)
    task.sleep(0.01)
    made[1]:decide(true)
    assert.is_true(beam:is_linked())
  end)

  it("gives its node's end with its own", function()
    start()
    made[1]:decide(true)
    beam:close()
    assert.is_true(made[1].is_closed)
  end)

  it("calls functions there, and says what went wrong with which", function()
    start()
    assert.same({ nil, "waiting for the BEAM node app@127.0.0.1: not yet tried" }, { beam:call("erlang", "nodes") })
    made[1]:decide(true)
    made[1].answers.nodes = etf.list({})
    assert.equal(etf.list({}), beam:call("erlang", "nodes", etf.atom("connected")))
    assert.same({ "app@127.0.0.1 erlang:nodes[connected]" }, made[1].calls)
    assert.equal(7, made[1].seconds)
    made[1].answers.nodes = 7
    assert.equal(7, beam:call("erlang", "nodes"))
    made[1].answers.nodes = { message = "timed out after 7 s" }
    assert.same({ nil, "erlang:nodes of the BEAM node: timed out after 7 s" }, { beam:call("erlang", "nodes") })
    made[1].answers.nodes = etf.tuple(etf.atom("badrpc"), etf.atom("nodedown"))
    assert.same({ nil, "erlang:nodes of the BEAM node: nodedown" }, { beam:call("erlang", "nodes") })
  end)

  it("keeps count of the names of one life of the BEAM node", function()
    start()
    made[1]:decide(true)
    for i = 1, 100 do assert.is_true((beam:admit(("n%d@h.x"):format(i)))) end
    assert.is_false((beam:admit("one@more.x")))
    assert.same({ links = 1, names = 100, ["names refused"] = 1 }, beam:counters())
    made[1]:tell(NAME, false, "closed")
    made[1]:decide(true)
    assert.is_false((beam:admit("one@more.x")))
    made[1]:tell(NAME, false, "closed")
    made[1].creation = 2
    made[1]:decide(true)
    assert.is_true((beam:admit("one@more.x")))
    assert.same({ links = 1, names = 1, ["names refused"] = 2 }, beam:counters())
  end)
end)
