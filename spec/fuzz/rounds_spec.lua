-- SPDX-License-Identifier: MIT
local mutate = require("fuzz.mutate")
local rounds = require("fuzz.rounds")
local scopes = require("engine.scope")
local task = require("engine.task")

local function nothing() end

describe("a round of the fuzzer", function()
  -- What is found in so many seconds where a round does this.
  local function find(run, seconds, waits, slow)
    local target = { waits = waits, slow = slow or 0.2, generate = function() return "…" .. mutate.noise(8) end, run = run }
    return rounds.new(target, nothing):run(1, seconds, nothing)
  end

  it("passes where nothing is wrong", function() assert.is_nil(find(nothing, 0.1)) end)

  it("is a find when it raises, with its seed and a shorter input", function()
    local found = find(function(input)
      if input:find("[\1-\31]") then error("a control character", 0) end
    end, 30)
    assert.truthy(found.why:find("a control character\nstack traceback", 1, true))
    assert.equal(1, #found.shortest)
    local target = { generate = function() return "…" .. mutate.noise(8) end }
    assert.equal(found.input, rounds.input(target, found.seed))
  end)

  it("is a find when it does not end", function()
    for _, waits in ipairs({ false, true }) do
      local found = find(function(input)
        while #input > 9 do pcall(nothing) end
      end, 30, waits)
      assert.truthy(found.why:find("hang: more than 0.2 s of CPU time", 1, true))
    end
  end)

  it("is a find when it takes much memory", function()
    local kept = {}
    local found = find(function(input) kept[1] = #input > 10 and ("x"):rep(100 * 2 ^ 20) end, 30, false, 5) -- new pages take a while
    assert.truthy(kept and found.why:find("memory: one round took %d+ MB"), found.why)
  end)
end)

describe("the rounds of a fuzzer", function()
  local scope

  after_each(function()
    if scope then scope:close() end
  end)

  it("are a find together when they leave tasks behind", function()
    scope = scopes.new()
    local target = {
      waits = true, generate = function() return "x" end,
      run = function()
        scope:spawn(task.sleep, 60)
        task.sleep(0.05)
      end,
    }
    local found = rounds.new(target, nothing):run(1, 30, nothing)
    assert.truthy(found.why:find("^%d+ tasks left behind"))
  end)

  it("are told of before each begins, and have inputs that depend on their seeds alone", function()
    local seeds, inputs = {}, {}
    local target = {
      generate = function() return mutate.bytes("a valid input of some length", "another one") end,
      run = function(input) inputs[#inputs + 1] = input end,
    }
    rounds.new(target, function(seed) seeds[#seeds + 1] = seed end):run(7, 0, nothing)
    for seed = 8, 40 do rounds.new(target, nothing):run(seed, 0, nothing) end
    assert.same({ 7 }, seeds)
    local different = {}
    for i, input in ipairs(inputs) do
      assert.equal(input, rounds.input(target, i + 6))
      different[input] = true
    end
    local count = 0
    for _ in pairs(different) do count = count + 1 end
    assert.is_true(count > 20)
  end)
end)
