-- SPDX-License-Identifier: MIT
--- Lists of nodes as the provider of configs/poll.lua makes them: each table and each string anew, unless names are to be kept.
local M = {}

-- All different, and of a length that varies as real ones do.
local function name_of(i) return ("app%d@10.%d.%d.%d"):format(i, i / 65536, i / 256 % 256, i % 256) end

local names = {} -- that are kept

local make = {
  table = function(i) return { name = name_of(i), port = 9000 } end,
  string = name_of,
  kept = function(i)
    local name = names[i] or name_of(i)
    names[i] = name
    return { name = name, port = 9000 }
  end,
}

--- The list of one poll.
---@param count integer
---@param first integer the number of the first node
---@param kind "table"|"string"|"kept" "kept": each table anew, but its name only once
---@return (peerage.Node|string)[]
function M.list(count, first, kind)
  local nodes, one = {}, make[kind]
  for i = 1, count do nodes[i] = one(first + i) end
  return nodes
end

return M
