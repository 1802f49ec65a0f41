-- SPDX-License-Identifier: MIT
--- JSON: what is read is what lua-cjson reads, comes back when it is written, and what is refused has a message with its
--- place, and is refused by lua-cjson, too, or on purpose.
local cjson = require("cjson.safe").new()
cjson.decode_invalid_numbers(false)
local json = require("engine.json")
local mutate = require("fuzz.mutate")

local M = {}

local DEEPEST = 100
local WORDS = {
  "true", "false", "null", "0", "-0", "1", "-1.5", "1e3", "1E-400", "9007199254740993", "1e400", "01", "1.", "NaN", '""', '"a"',
  '"\\u0041\\ud83d\\ude00"', '"\\ud800"', '"\\n\\"\\\\\\/"', '"\195\169"', '"\255"', '"\\x"', '"a', "[", "]", "{", "}", ",", ":", "\n",
  "\239\187\191", ("["):rep(200), '{"a":', "\0", "//", "'a'",
}

local write -- of any kind

local function list(depth)
  local items = {}
  for i = 1, math.random(0, 4) do items[i] = write(depth + 1) end
  return "[" .. table.concat(items, ", ") .. "]"
end

local function object(depth)
  local members = {}
  for i = 1, math.random(0, 4) do members[i] = ('"%s" : '):format(mutate.pick({ "a", "b", "", "a b", "\\u0061" })) .. write(depth + 1) end
  return "{" .. table.concat(members, ",\n") .. "}"
end

function write(depth)
  local kind = depth > 5 and 1 or math.random(3)
  if kind == 1 then return WORDS[math.random(22)] end
  return kind == 2 and list(depth) or object(depth)
end

function M.generate() return mutate.chance(20) and write(1) or mutate.text(write(1), WORDS) end

-- Members that are null are not there, and arrays bear a mark.
local function is_same(ours, theirs)
  if ours == json.null or ours == nil then return theirs == cjson.null or theirs == nil end
  if type(ours) ~= "table" then return ours == theirs end
  if type(theirs) ~= "table" then return false end
  for key, value in next, theirs do
    if not is_same(ours[key], value) then return false end
  end
  for key in next, ours do
    if theirs[key] == nil then return false end
  end
  return true
end

local function depth_of(value)
  if type(value) ~= "table" then return 0 end
  local deepest = 0
  for _, each in next, value do deepest = math.max(deepest, depth_of(each)) end
  return deepest + 1
end

local function check_message(message, code)
  assert(code == "EBADMSG" or code == "EMSGSIZE", "another code")
  assert(type(message) == "string" and #message < 200, "no message, or an endless one")
  assert(message:find("^line %d+, column %d+: ") and not message:find("[%c\128-\255]"), "a message without place, or not printable")
end

-- What we refuse and lua-cjson reads: by the message, and what the text has then.
local ON_PURPOSE = {
  ["expected no control character in a string"] = "%c",
  ["expected a pair of surrogates"] = "\\u[dD][89a-fA-F]",
  ["expected a value"] = "%-%.",
  ["expected digits after the point"] = "%d%.%D",
  ["expected digits in the exponent"] = "[eE][+-]?%D",
  ["expected a number that a double can hold"] = "%d[eE]%+?%d%d%d",
}

local MANY_DIGITS = ("%d"):rep(200) -- with or without an exponent: a double has 308 at most

local function is_on_purpose(input, message)
  if message:find("nested deeper", 1, true) then return select(2, input:gsub("[%[{]", "")) > DEEPEST end
  if message:find("a double can hold", 1, true) and input:find(MANY_DIGITS) then return true end
  for words, pattern in next, ON_PURPOSE do
    if message:find(words, 1, true) and (input .. " "):find(pattern) then return true end
  end
  return false
end

local function check_refusal(input, message, code)
  check_message(message, code)
  if input:find("%z") then return end -- to lua-cjson that is the end of the text
  local theirs = cjson.decode((input:gsub("^\239\187\191", "")))
  assert(theirs == nil or is_on_purpose(input, message), "another reader reads what we refuse")
end

function M.run(input)
  local value, message, code = json.decode(input)
  if value == nil then return check_refusal(input, message, code) end
  assert(depth_of(value) <= DEEPEST, "deeper than it may be")
  local text = assert(json.encode(value))
  local again = json.encode((json.decode(text)))
  assert(again == text or text:find("\\ufffd", 1, true), "not the same when read again") -- what is no UTF-8 is replaced
  assert(again == json.encode((json.decode(again))), "not the same when read a third time")
  local theirs = cjson.decode((input:gsub("^\239\187\191", "")))
  assert(is_same(value, theirs), "another reader reads something else")
end

return M
