-- SPDX-License-Identifier: MIT
--- A host that hears a multicast group and says each datagram again: `peerage-lua run relay.lua ADDRESS GROUP PORT…`,
--- where ADDRESS is its own. Most come again once, twice or three times, up to DELAY seconds late, so in any order. It
--- prints "relayed" with the number of those so far.
local task = require("engine.task")
local udp = require("engine.udp")

local DELAY = 2 -- seconds
local COPIES = 3 -- at most

local address, group = arg[1], arg[2]
local count = 0
io.stdout:setvbuf("line")

local function say_later(socket, data, port)
  task.sleep(DELAY * math.random())
  if not socket:send(data, group, port) then return end
  count = count + 1
  print("relayed " .. count)
end

-- What it says itself is not said again.
local function relay(port)
  local socket = assert(udp.open({ port = port, reuse = true, multicast = { group = group, loop = false } }))
  for data, sender in socket:messages() do
    if sender:address() ~= address then
      for _ = 1, math.random(0, COPIES) do task.spawn(say_later, socket, data, port) end
    end
  end
end

local relays = {}
for i = 3, #arg do
  relays[#relays + 1] = function() relay(tonumber(arg[i])) end
end
task.all(relays)
