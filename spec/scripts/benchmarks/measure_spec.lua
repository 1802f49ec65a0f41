-- SPDX-License-Identifier: MIT
require("support.scripts")
local Folder = require("support.folder")
local Measure = require("benchmarks.measure")
local engine = require("engine")
local eventually = require("support.eventually")
local fs = require("engine.fs")
local timer = require("engine.timer")

describe("what measures commands", function()
  local folder, measure

  setup(function()
    folder = Folder.new()
    folder:sh(("cc -std=gnu11 -D_GNU_SOURCE -o bench-usage '%s/scripts/benchmarks/tools/usage.c'"):format(engine.root))
    measure = Measure.new({ folder = folder, tools = folder.path, scripts = "", engine = "", quick = false })
  end)

  teardown(function() folder:remove() end)

  local function shell(script) return { "sh", "-c", script } end

  local function refuses(message, ...)
    local ok, found = pcall(...)
    assert.is_false(ok)
    assert.equal(message, found)
  end

  it("takes what ends with 0, and has its lines", function()
    local used, lines = measure:run(shell("echo one; echo two >&2"))
    assert.equal(0, used.code)
    assert.same({ "one", "two" }, lines)
  end)

  it("refuses what fails, and what a signal ends", function()
    refuses("sh -c echo oh; exit 3 ended with status 3:\noh", measure.run, measure, shell("echo oh; exit 3"))
    refuses("sh -c kill -KILL $$ ended by signal 9:\n", measure.run, measure, shell("kill -KILL $$"))
    refuses("sh -c kill -TERM $$ ended by signal 15:\n", measure.run, measure, shell("kill -TERM $$"))
  end)

  it("takes the TERM that it sends itself, but no other end", function()
    assert.is_true(measure:run(shell("echo ready; exec sleep 1000"), { until_output = true }).first_output > 0)
    refuses("sh -c trap 'kill -KILL $$' TERM; echo ready; while :; do sleep 0.01; done ended by signal 9:\nready",
      measure.run, measure, shell("trap 'kill -KILL $$' TERM; echo ready; while :; do sleep 0.01; done"), { until_output = true })
    refuses("sh -c exit 0 ended without a word", measure.run, measure, shell("exit 0"), { until_output = true })
  end)

  it("ends a server when it was driven, and has what that returned", function()
    local _, driven = measure:serve(shell("echo ready; exec sleep 1000"), function(lines)
      measure.await(lines, "ready", 10)
      return "driven"
    end)
    assert.equal("driven", driven)
  end)

  it("refuses at once a server that ends before its time", function()
    local began = timer.now()
    refuses("sh -c echo no room; exit 4 ended before its time with status 4:\nno room", measure.serve, measure,
      shell("echo no room; exit 4"), function(lines) measure.await(lines, "ready", 60) end)
    assert.is_true(timer.now() - began < 30)
  end)

  it("ends a server that is driven in vain, and says what that said", function()
    local pid
    local ok, message = pcall(measure.serve, measure, shell("echo $$; exec sleep 1000"), function(lines)
      pid = lines:pop()
      error("a reason", 0)
    end)
    assert.same({ false, "a reason\nsh -c echo $$; exec sleep 1000 said:\n" .. pid }, { ok, message })
    eventually(function() return not fs.stat("/proc/" .. pid) end)
  end)
end)
