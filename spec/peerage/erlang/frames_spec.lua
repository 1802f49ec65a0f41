-- SPDX-License-Identifier: MIT
local Frames = require("peerage.erlang.frames")
local big_endian = require("peerage.big_endian")

describe("frames", function()
  local function frame(payload) return big_endian.u32(#payload) .. payload end

  local function taken(frames)
    local list = {}
    for payload in function() return frames:next() end do list[#list + 1] = payload end
    return list
  end

  it("are the same in any cut, ticks among them", function()
    local payloads = { "a", "", "bcd", ("x"):rep(300), "", "", "e" }
    local bytes = ""
    for _, payload in ipairs(payloads) do bytes = bytes .. frame(payload) end
    for size = 1, #bytes do
      local frames, list = Frames.new(1000), {}
      for at = 1, #bytes, size do
        frames:add(bytes:sub(at, at + size - 1))
        for _, payload in ipairs(taken(frames)) do list[#list + 1] = payload end
      end
      assert.same(payloads, list)
    end
  end)

  it("may be as long as the limit, and no longer", function()
    local frames = Frames.new(5)
    frames:add(frame("12345"))
    assert.same({ "12345" }, taken(frames))
    frames:add(frame("67") .. "\0\0\0\6")
    assert.same("67", frames:next())
    local payload, message = frames:next()
    assert.is_nil(payload)
    assert.equal("a frame of 6 bytes: at most 5 are taken, see max_frame", message)
  end)

  it("are refused by their length alone", function()
    local frames = Frames.new(1000)
    frames:add("\255\255\255\255")
    assert.equal("a frame of 4294967295 bytes: at most 1000 are taken, see max_frame", (select(2, frames:next())))
  end)

  it("do not cost much more than their bytes when they come in tiny pieces", function()
    collectgarbage()
    collectgarbage()
    local before = collectgarbage("count")
    local frames = Frames.new(2 ^ 20)
    frames:add(big_endian.u32(2 ^ 20))
    for i = 1, 2 ^ 17 do
      frames:add(("%04d"):format(i % 10000))
      assert.is_nil(frames:next())
    end
    collectgarbage()
    collectgarbage()
    local kilobytes = collectgarbage("count") - before
    assert.is_true(kilobytes < 900, kilobytes .. " kB for 512 kB")
    frames:add(("y"):rep(2 ^ 19))
    local payload = frames:next()
    assert.equal(2 ^ 20, #payload)
    assert.equal("00010002", payload:sub(1, 8))
    assert.equal("y", payload:sub(-1))
  end)
end)
