-- SPDX-License-Identifier: MIT
-- A part that complains without end fills no log.
local Complaints = require("peerage.complaints")

describe("complaints", function()
  it("are logged once each between two polls, ten at most, and the others counted", function()
    local said = {}
    local complaints = Complaints.new({ warn = function(message) said[#said + 1] = message end })
    for i = 1, 12 do
      complaints:say("bad " .. i)
      complaints:say("bad 1")
    end
    assert.equal(10, #said)
    assert.equal("bad 10", said[10])
    complaints:settle()
    assert.equal("14 more such complaints since the last poll", said[11])
    complaints:settle()
    assert.equal(11, #said)
    complaints:say("bad 1")
    assert.equal("bad 1", said[12])
  end)
end)
