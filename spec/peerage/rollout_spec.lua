-- SPDX-License-Identifier: MIT
-- Versions of a provider that follow each other: one runs at a time, and one that fails at once makes way.
local Cluster = require("peerage.cluster")
local Hearing = require("support.hearing")
local eventually = require("support.eventually")
local rollout = require("peerage.rollout")
local scopes = require("engine.scope")
local task = require("engine.task")

describe("a rollout", function()
  local scope, hearing, cluster, running

  -- A version that is in `running` as long as it serves; with `answer` instead of a list, if given.
  local function version(name, answer)
    local module = {
      poll = answer or function() return { name .. "@h" } end,
      serve = function(self)
        running[name] = function() return not self.scope:is_closed() end
        task.sleep(3600)
      end,
    }
    return { name = name, options = {}, unit = { name = name, module = module, files = {} } }
  end

  local function plan(part)
    local settings = {
      interval = 3600, sync_offset = 0, timeout = 30, connect_timeout = 1, prune = false,
      via = { target = part.unit.module, options = {} }, connect = { target = "none", options = {} },
    }
    local none = { connect = function() return true end, follows_found = true }
    local connector = { name = "none", options = {}, unit = { name = "none", module = none, files = {} } }
    return { name = "default", settings = settings, provider = part, connector = connector }
  end

  before_each(function()
    scope, hearing, running = scopes.new("engine"), Hearing.start(), {}
    cluster = Cluster.start(plan(version("first")), {
      name = "me@here", scope = scope, on_poll = function() end, siblings = function() return {} end,
    })
    eventually(function() return cluster.last_poll and running.first end)
  end)
  after_each(function()
    scope:close()
    hearing:stop()
  end)

  local function all_running()
    local names = {}
    for name, is_running in pairs(running) do
      if is_running() then names[#names + 1] = name end
    end
    return names
  end

  -- Waits until `name` has been polled and serves, and whatever else there is has had its time.
  local function settle(name)
    eventually(function() return running[name] and running[name]() and cluster.registry:get(name .. "@h") end)
    task.sleep(0.25)
  end

  it("ends the version before and starts the next", function()
    rollout.configure(cluster, plan(version("second")))
    settle("second")
    assert.same({ "second" }, all_running())
    assert.is_truthy(cluster.registry:get("second@h"))
  end)

  it("leaves one that is not new alone", function()
    local provider = cluster.provider
    local same = plan(cluster.provider_part)
    rollout.configure(cluster, same)
    assert.equal(provider, cluster.provider)
  end)

  it("of two that come together starts the later one only", function()
    task.all({
      function() rollout.configure(cluster, plan(version("second"))) end,
      function() rollout.configure(cluster, plan(version("third"))) end,
    })
    settle("third")
    assert.same({ "third" }, all_running())
  end)

  it("lets one that comes while another goes back have its way, and goes back to the last good one if it fails", function()
    rollout.configure(cluster, plan(version("second", function() error("boom", 0) end)))
    hearing:expect("the previous one runs again: boom")
    rollout.configure(cluster, plan(version("third", function() return 5 end)))
    hearing:expect("the previous one runs again: poll() returned a number (5)")
    settle("first")
    assert.same({ "first" }, all_running())
    assert.is_truthy(cluster.registry:get("first@h"))
  end)

  describe("of other options of the connector", function()
    local stopped, shared

    before_each(function() stopped, shared = 0, {} end)

    -- A plan with another connector, of a file of the text `text`.
    local function with_connector(options, is_taken_over, text)
      local module = {
        connect = function() return true end,
        nodes = function(self) return { "live" .. self.options.port .. "@h" } end,
        stop = function() stopped = stopped + 1 end,
      }
      local planned = plan(cluster.provider_part)
      planned.settings.connect = { target = "links", options = options, where = tostring(options) }
      planned.connector = {
        name = "links", options = options, shared = shared, is_taken_over = is_taken_over,
        unit = { name = "links", path = "links.lua", module = module, files = { ["links.lua"] = text or "first" } },
      }
      return planned
    end

    local function begin()
      rollout.configure(cluster, with_connector({ port = 1 }))
      hearing:expect("reloaded")
      return cluster.connector
    end

    local function is_replaced(planned)
      local connector = cluster.connector
      rollout.configure(cluster, planned)
      assert.same({ ["live" .. planned.connector.options.port .. "@h"] = true }, cluster.connector:live(1))
      return connector ~= cluster.connector
    end

    it("leaves it running when what it shares took them over", function()
      begin()
      assert.is_false(is_replaced(with_connector({ port = 2 }, true)))
      hearing:expect("other options are taken over")
      assert.same({ 0, 2, shared }, { stopped, cluster.connector_part.options.port, cluster.connector_part.shared })
      assert.is_false(is_replaced(with_connector({ port = 2 }, false))) -- the same once more is nothing new
      assert.is_false(is_replaced(with_connector({ port = 1 }, true)))
    end)

    it("replaces it when that was not taken over", function()
      begin()
      assert.is_true(is_replaced(with_connector({ port = 2 }, false)))
      assert.equal(1, stopped)
    end)

    it("replaces it when it has other files, too", function()
      begin()
      assert.is_true(is_replaced(with_connector({ port = 2 }, true, "second")))
    end)

    it("replaces it when it is another one of the config", function()
      begin()
      local planned = with_connector({ port = 2 }, true)
      planned.settings.connect.target = planned.connector.unit.module
      assert.is_true(is_replaced(planned))
    end)

    it("replaces it when what it shares is another one now, though its own options are the same", function()
      begin()
      shared = {}
      assert.is_true(is_replaced(with_connector({ port = 1 })))
      assert.equal(shared, cluster.connector_part.shared)
    end)
  end)

  it("stays when serve() says before the first poll is over why it ended", function()
    local quiet = version("quiet", function() task.sleep(0.1) return { "quiet@h" } end)
    local serve, runs = quiet.unit.module.serve, 0
    quiet.unit.module.serve = function(self)
      runs = runs + 1
      if runs == 1 then return nil, "the watch was closed" end
      return serve(self)
    end
    rollout.configure(cluster, plan(quiet))
    hearing:expect("serve() ended: the watch was closed")
    settle("quiet")
    assert.same({ "quiet" }, all_running())
  end)

  it("goes back when serve() fails before the first poll is over, and not after it", function()
    local broken = version("second", function()
      task.sleep(20)
      return {}
    end)
    broken.unit.module.serve = function() error("no socket", 0) end
    rollout.configure(cluster, plan(broken))
    hearing:expect("the previous one runs again: no socket")
    settle("first")
    local late = version("third")
    late.unit.module.serve = function()
      eventually(function() return cluster.registry:get("third@h") end)
      task.sleep(0.2)
      error("too late", 0)
    end
    rollout.configure(cluster, plan(late))
    hearing:expect("serve() failed: too late")
    task.sleep(0.25)
    assert.equal("third", cluster.provider_part.name)
  end)
end)
