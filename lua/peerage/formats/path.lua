-- SPDX-License-Identifier: MIT
--- Paths into decoded JSON, such as `items[].status.podIP`: keys, and `[]` for each element of a list.
--- Invariant: an element that lacks the rest of the path is skipped and counted; anything else that does not fit is an error.
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
    if type(step) == "number" then
      parts[i] = i == 1 and "element " .. step or "[" .. step .. "]"
    else
      parts[i] = (i > 1 and "." or "") .. step
    end
  end
  return #parts > 0 and table.concat(parts) .. ": " or ""
end

local function refuse(walk, message) walk.message = walk.message or place(walk.way) .. message end

local function expect(walk, expected, value)
  refuse(walk, ("expected %s, found %s"):format(expected, entry.kind(value)))
end

local function each(walk, list, action, index)
  walk.elements = walk.elements + 1
  for i, item in ipairs(list) do
    walk.way[#walk.way + 1] = i
    action(walk, item, index)
    walk.way[#walk.way] = nil
    if walk.message then break end
  end
  walk.elements = walk.elements - 1
end

local function hand_over(walk, value)
  local ok, message = walk.take(value)
  if not ok then refuse(walk, message) end
end

-- The path is at its end: a list there stands for its elements.
local function finish(walk, value)
  if json.is_array(value) then return each(walk, value, hand_over) end
  if walk.elements > 0 then return hand_over(walk, value) end
  expect(walk, "a list", value)
end

local function follow(walk, value, index)
  local step = walk.path[index]
  local is_missing = value == nil or value == json.null
  if is_missing and walk.elements > 0 then
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

--- Calls `take` with each value that a path leads to; at its end a list stands for its elements.
---@param path peerage.Path
---@param value any decoded by engine.json
---@param take fun(value: any): any, string? nil and a message: it is wrong
---@return integer|nil skipped elements that lack the path
---@return string? message where what is that does not fit
function M.follow(path, value, take)
  local walk = { path = path, way = {}, elements = 0, skipped = 0, take = take }
  follow(walk, value, 1)
  if walk.message then return nil, walk.message end
  return walk.skipped
end

return M
