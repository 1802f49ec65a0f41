-- SPDX-License-Identifier: MIT
--- Fuzzes one target inside the engine: `peerage-lua run spec/fuzz/run.lua TARGET SECONDS SEED [show|tell|-] [FILE]`.
--- `show` prints the input of the seed and runs nothing; `tell` says once a second how far it is. FILE always has the
--- seed of the round that runs, for when this process does not live to tell it.
local folder = arg[0]:match("^(.*)/[^/]*/[^/]*$") or "."
package.path = folder .. "/?.lua;" .. package.path
local rounds = require("fuzz.rounds")
local timer = require("engine.timer")

local LINE = 64 -- bytes of input on one
local MOST_BYTES, MOST_WORDS = 8192, 4096 -- of an input, and of why it is a find, that are shown

local name, seconds, seed, how, path = arg[1], tonumber(arg[2]), tonumber(arg[3]), arg[4], arg[5]
local target = require("fuzz.targets." .. name)

local function show(what, input)
  print(("  %s (%d bytes%s):"):format(what, #input, #input > MOST_BYTES and ", the first of them" or ""))
  for at = 1, math.min(#input, MOST_BYTES), LINE do
    print("    " .. input:sub(at, at + LINE - 1):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
  end
end

if how == "show" then
  show("input", rounds.input(target, seed))
  return 0
end

local file = path and assert(io.open(path, "w"))
local function mark(number)
  if not file then return end
  file:seek("set", 0)
  file:write(("%.0f\n"):format(number))
  file:flush()
end

local started = timer.now()
local function tell(count)
  if how == "tell" then io.stderr:write(("\r%-14s %4.0f s  %d rounds "):format(name, timer.now() - started, count)) end
end

local run = rounds.new(target, mark)
local find = run:run(seed, seconds, tell)
if how == "tell" then io.stderr:write("\r\27[K") end
if not find then
  print(("ok      %-14s %8d rounds %6.1f s"):format(name, run.count, timer.now() - started))
  return 0
end
local took, why = timer.now() - started, find.why:sub(1, MOST_WORDS)
print(("FOUND   %s, after %d rounds, %.1f s, seed %.0f: %s"):format(name, run.count, took, find.seed, why))
show("input", find.input)
if find.shortest then show("shorter, that fails too", find.shortest) end
print(("  again: scripts/fuzz %s 1 --seed %.0f"):format(name, find.seed))
return 1
