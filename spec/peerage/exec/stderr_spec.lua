-- SPDX-License-Identifier: MIT
-- The end of what a program said.
local stderr = require("peerage.exec.stderr")

describe("what a program said", function()
  it("is added to a message without blanks around it, if it is anything", function()
    assert.equal("it failed: a  b | c", stderr.add("it failed", " \n\ta  b\nc \n\n"))
    for _, text in ipairs({ "", "\n", (" "):rep(1000) }) do assert.equal("it failed", stderr.add("it failed", text)) end
  end)

  it("is one line, however many it was", function()
    assert.equal("Traceback: | File | boom", stderr.tail("Traceback:\n  File\r\n\nboom\n"))
    assert.equal("10% | 20%", stderr.tail("10%\r20%\r"))
    assert.equal("…" .. ("y"):rep(498), stderr.tail("x\n\n" .. ("y"):rep(498)))
  end)

  it("is cut to its end where it is long", function()
    assert.equal(("x"):rep(500), stderr.tail(("x"):rep(500) .. "\n"))
    assert.equal("…" .. ("y"):rep(500), stderr.tail("x" .. ("y"):rep(500) .. "\n"))
    assert.equal("…ä" .. ("y"):rep(498), stderr.tail("xä" .. ("y"):rep(498)))
    assert.equal("…" .. ("y"):rep(499), stderr.tail("xä" .. ("y"):rep(499)))
    assert.equal("…z", stderr.tail(("x"):rep(500) .. (" "):rep(500) .. "z"))
  end)

  it("is found in time that grows with its length, and no faster", function()
    local blanks = (" "):rep(50000)
    for expected, text in pairs({ ["…y"] = "x" .. blanks .. "y", x = "x" .. blanks, [""] = blanks, ["…z"] = blanks .. "z" }) do
      local started = os.clock()
      assert.equal(expected, stderr.tail(text))
      assert.is_true(os.clock() - started < 1)
    end
  end)
end)
