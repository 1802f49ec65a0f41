-- SPDX-License-Identifier: MIT
--- Paths into decoded JSON, such as `items[].status.podIP`: keys, and `[]` for each element of a list.
--- Invariant: an element that lacks the rest of the path is skipped and counted, one that does not fit is refused; where
--- there is no list nothing is read.
local describe = require("peerage.describe")
local entry = require("peerage.formats.entry")
local json = require("engine.json")

local M = {}

local EXPECTED = "expected a path such as items[].status.podIP, found "

---@alias peerage.Path (string|true)[] keys; true is each element

-- Takes one step off the text: a key, `["a key"]` or `[]`.
local function take_step(text, is_first)
  local rest = text:match("^%[%](.*)$")
  if rest then return true, rest end
  local key
  key, rest = text:match('^%["([^"]+)"%](.*)$')
  if key then return key, rest end
  key, rest = text:match(is_first and "^%.?([^.%[%]]+)(.*)$" or "^%.([^.%[%]]+)(.*)$")
  return key, rest
end

--- Reads a path.
---@param text string
---@return peerage.Path|nil path
---@return string? message
function M.parse(text)
  local steps, rest = {}, text
  repeat
    local step
    step, rest = take_step(rest, #steps == 0)
    if not step then return nil, EXPECTED .. describe.text(text) end
    steps[#steps + 1] = step
  until rest == ""
  return steps
end

-- Where a walk is, for messages: keys and the numbers of elements, from 1.
local function place(way)
  local parts = {}
  for i, step in ipairs(way) do
    parts[i] = type(step) == "number" and "[" .. step .. "]" or (i > 1 and "." or "") .. step
  end
  return #parts > 0 and table.concat(parts) .. ": " or ""
end

-- Within a list it is that element that does not fit; before, the document is another one than the path is for.
local function expect(walk, expected, value)
  local message = ("expected %s, found %s"):format(expected, entry.kind(value))
  if walk.elements > 0 then return walk.refuse(place(walk.way), message) end
  walk.message = place(walk.way) .. message
end

local function each(walk, list, action, index)
  walk.elements = walk.elements + 1
  local depth = #walk.way + 1
  for i = 1, #list do
    walk.way[depth] = i
    action(walk, list[i], index)
    list[i] = false -- it is read, and need not be held any longer
  end
  walk.way[depth] = nil
  walk.elements = walk.elements - 1
end

local function is_missing(value) return value == nil or value == json.null end

-- A text without a byte at the end of a path is none: so an API may write the address of who has none yet.
local function hand_over(walk, value)
  if #walk.path > 0 and (is_missing(value) or value == "") then
    walk.skipped = walk.skipped + 1
    return
  end
  local wrong = walk.take(value)
  if wrong then walk.refuse(place(walk.way), wrong) end
end

-- The path is at its end: a list there stands for its elements.
local function finish(walk, value)
  if json.is_array(value) then return each(walk, value, hand_over) end
  if walk.elements > 0 then return hand_over(walk, value) end
  expect(walk, "a list", value)
end

local function follow(walk, value, index)
  local step = walk.path[index]
  if is_missing(value) and walk.elements > 0 then
    walk.skipped = walk.skipped + 1
  elseif step == nil then
    finish(walk, value)
  elseif step == true then
    if not json.is_array(value) then return expect(walk, "a list", value) end
    each(walk, value, follow, index + 1)
  elseif type(value) ~= "table" or json.is_array(value) then
    expect(walk, "an object with " .. describe.key(step), value)
  else
    walk.way[#walk.way + 1] = step
    follow(walk, rawget(value, step), index + 1)
    walk.way[#walk.way] = nil
  end
end

--- Calls `take` with each value that a path leads to; at its end a list stands for its elements. The lists of the document
--- are emptied on the way.
---@param path peerage.Path
---@param document any decoded by engine.json
---@param take fun(value: any): string? what is wrong with it
---@param refuse fun(place: string, message: string) called for each element that does not fit
---@return integer|nil skipped elements that lack the path
---@return string? message where what is that does not fit, so that nothing can be read
function M.follow(path, document, take, refuse)
  local walk = { path = path, way = {}, elements = 0, skipped = 0, take = take, refuse = refuse }
  follow(walk, document, 1)
  if walk.message then return nil, walk.message end
  return walk.skipped
end

return M
