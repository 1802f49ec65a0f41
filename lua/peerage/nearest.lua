-- SPDX-License-Identifier: MIT
-- The word that was probably meant. An edit is one character more, less, other, or swapped with its neighbour.

local LONGEST = 64 -- bytes; nobody mistypes more, and the work is the product of both lengths

--- Edits between two words, letter case aside (optimal string alignment distance).
local function distance(a, b)
  local before, last, row = {}, {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    row[0] = i
    for j = 1, #b do
      local x, y = string.byte(a, i), string.byte(b, j)
      local best = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x == y and 0 or 1))
      if i > 1 and j > 1 and x == string.byte(b, j - 1) and string.byte(a, i - 1) == y then
        best = math.min(best, before[j - 2] + 1)
      end
      row[j] = best
    end
    before, last, row = last, row, before
  end
  return last[#b]
end

--- The candidate with the fewest edits from `word`, at most one for each three characters; the first in the alphabet of several.
---@param word any
---@param candidates any[] what is not a string among them is no candidate
---@return string|nil
local function nearest(word, candidates)
  if type(word) ~= "string" or #word > LONGEST then return nil end
  local found, fewest
  for _, candidate in ipairs(candidates) do
    candidate = type(candidate) == "string" and candidate or ""
    local longer = math.max(#word, #candidate)
    local limit = math.max(1, math.floor(longer / 3))
    if longer <= LONGEST and math.abs(#word - #candidate) <= limit then
      local edits = distance(string.lower(word), string.lower(candidate))
      local closer = not fewest or edits < fewest or (edits == fewest and candidate < found)
      if edits <= limit and edits < longer and closer then found, fewest = candidate, edits end
    end
  end
  return found
end

return nearest
