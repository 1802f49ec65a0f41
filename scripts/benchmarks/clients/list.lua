-- SPDX-License-Identifier: MIT
--- Only makes the lists that the provider of configs/poll.lua makes: `peerage-lua run list.lua NODES POLLS CHANGED KIND`.
--- Names are kept, for the engine has them, too: a string that exists already is found, not made.
package.path = arg[0]:match("^(.*)/[^/]*$") .. "/../configs/?.lua;" .. package.path

local nodes = require("poll.nodes")

local count, polls, changed, kind = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3]), arg[4]
local names = {}
for polled = 0, polls - 1 do
  local list = nodes.list(count, polled * changed, kind)
  if polled == 0 then
    for i, node in ipairs(list) do names[i] = kind == "string" and node or node.name end
  end
end
if #names ~= count then error(("expected %d nodes, made %d"):format(count, #names), 0) end
