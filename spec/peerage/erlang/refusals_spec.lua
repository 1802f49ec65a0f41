-- SPDX-License-Identifier: MIT
local Refusals = require("peerage.erlang.refusals")
local timer = require("engine.timer")

describe("what strangers did wrong", function()
  local refusals, said, now, real_now

  before_each(function()
    said, now, real_now = {}, 1000, timer.now
    timer.now = function() return now end
    refusals = Refusals.new({ warn = function(message, fields) said[#said + 1] = { message, fields } end })
  end)

  after_each(function() timer.now = real_now end)

  it("is counted by reason", function()
    for _ = 1, 3 do refusals:count("closed") end
    refusals:add("protocol", "nonsense")
    refusals:add("protocol", "other nonsense")
    assert.are.same({ closed = 3, protocol = 2 }, refusals.counts)
  end)

  it("is not said when it is only counted", function()
    refusals:count("closed")
    assert.are.same({}, said)
  end)

  it("is said once a minute for each reason, whoever it was", function()
    refusals:add("protocol", "nonsense", { address = "127.0.0.1" })
    now = now + 59.9
    refusals:add("protocol", "other nonsense", { address = "127.0.0.2" })
    refusals:add("wrong cookie", "a wrong cookie", { address = "127.0.0.2" })
    assert.are.same({
      { "nonsense", { address = "127.0.0.1" } }, { "a wrong cookie", { address = "127.0.0.2" } },
    }, said)
    now = now + 0.1
    refusals:add("protocol", "nonsense again")
    assert.are.same({ "nonsense again" }, said[3])
    assert.are.equal(3, refusals.counts.protocol)
  end)
end)
