-- SPDX-License-Identifier: MIT
--- Node names and tables: checked without running a metamethod, copied plain, and read again as the same.
local mutate = require("fuzz.mutate")
local node = require("peerage.node")
local values = require("fuzz.lua_values")

local M = {}

function M.generate() return mutate.chance(50) and values.nodes() or values.value() end

local function check_plain(value, depth)
  assert(depth <= 8, "deeper than it may be")
  assert(getmetatable(value) == nil, "a metatable was copied")
  for key, each in next, value do
    if type(each) == "table" then check_plain(each, depth + 1) end
    assert(type(key) ~= "table" and type(each) ~= "function" and type(each) ~= "thread", "not plain data")
  end
end

local function check_message(message)
  assert(type(message) == "string" and #message < 1000, "no message, or an endless one")
  assert(not message:find("%c"), "a message that is not printable")
end

local function check_name(value)
  local name, message = node.check_name(value)
  assert((name ~= nil) == node.is_name(value), "check_name and is_name differ")
  if not name then return check_message(message) end
  local before, host = node.split(name)
  assert(before .. "@" .. host == name and #name <= 255, "a name that does not come together again")
end

local function check(value)
  check_name(value)
  local found, message = node.parse(value)
  if not found then return check_message(message) end
  assert(getmetatable(found) == nil and node.is_name(found.name), "a node without a name")
  assert(found.port == nil or found.port >= 1 and found.port <= 65535 and found.port % 1 == 0, "a port that is none")
  if found.meta then check_plain(found.meta, 1) end
  local again = assert(node.parse(found))
  assert(again.name == found.name and again.port == found.port, "not the same when read again")
  assert(node.same_meta(found.meta, again.meta), "another meta when read again")
end

function M.run(input)
  local ok, value = values.evaluate(input)
  if not ok then return end
  check(value)
  if type(value) ~= "table" then return end
  for _, each in next, value do check(each) end
end

return M
