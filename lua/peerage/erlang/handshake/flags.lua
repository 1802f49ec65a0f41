-- SPDX-License-Identifier: MIT
--- The capability flags of the Erlang distribution: what we offer, and what the other side has to.
--- Invariant: a set of flags is an integer below 2^53; OTP has assigned none beyond bit 36 (kernel/include/dist.hrl).
local bit = require("bit")

local M = {}

local WORD = 2 ^ 32

--- What a hidden node offers: all that OTP 25, 26 and 27 demand, and DIST_MONITOR, DIST_MONITOR_NAME, SMALL_ATOM_TAGS,
--- SPAWN, ALIAS. Neither DIST_HDR_ATOM_CACHE nor FRAGMENTS, so that each message is one frame of plain terms.
M.OFFERED = 0xD07074FBC

--- Added by a node that is not hidden.
M.PUBLISHED = 0x1

--- Asked for by a node without a name: the other side is to give it one.
M.NAME_ME = 2 * WORD

-- OTP 25 takes this one for all that it demands, and OTP 27 looks at no other of them.
local MANDATORY_25_DIGEST = 0x4000000

local MANDATORY = { -- OTP 25's; the order is that of the bits
  { "EXTENDED_REFERENCES", 0x4 }, { "FUN_TAGS", 0x10 }, { "NEW_FUN_TAGS", 0x80 }, { "EXTENDED_PIDS_PORTS", 0x100 },
  { "EXPORT_PTR_TAG", 0x200 }, { "BIT_BINARIES", 0x400 }, { "NEW_FLOATS", 0x800 }, { "UTF8_ATOMS", 0x10000 },
  { "MAP_TAG", 0x20000 }, { "BIG_CREATION", 0x40000 }, { "HANDSHAKE_23", 0x1000000 },
}

local function both(a, b)
  local high = bit.band(math.floor(a / WORD), math.floor(b / WORD)) % WORD
  return high * WORD + bit.band(a % WORD, b % WORD) % WORD
end

--- Whether a set has a flag.
---@param flags integer
---@param flag integer one bit
---@return boolean
function M.has(flags, flag) return math.floor(flags / flag) % 2 == 1 end

--- The names of the mandatory flags that a set lacks.
---@param flags integer
---@return string[] names in the order of their bits
function M.missing(flags)
  local names = {}
  if M.has(flags, MANDATORY_25_DIGEST) then return names end
  for _, flag in ipairs(MANDATORY) do
    if not M.has(flags, flag[2]) then names[#names + 1] = flag[1] end
  end
  return names
end

--- What both sides have. One that is only said by MANDATORY_25_DIGEST counts as said.
---@param ours integer
---@param theirs integer
---@return integer flags
function M.common(ours, theirs)
  if M.has(theirs, MANDATORY_25_DIGEST) then
    for _, flag in ipairs(MANDATORY) do
      if not M.has(theirs, flag[2]) then theirs = theirs + flag[2] end
    end
  end
  return both(ours, theirs)
end

return M
