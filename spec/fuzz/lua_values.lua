-- SPDX-License-Identifier: MIT
--- Lua expressions for values that nobody expects: of every type, with metatables that raise, in cycles, deep, huge.
local mutate = require("fuzz.mutate")
local chance, pick, random = mutate.chance, mutate.pick, math.random

local M = {}

M.LONGEST = 100000 -- bytes of a text

local DEEPEST = 4
local NAMES = {
  "app@10.0.0.1", "a@b", "app@fd00::1", "app@fe80::1%eth0", "a@b@c", "@", "a@", "@b", "", "a", "a b@c", "a@b\n", "\195\164@h",
  ("n"):rep(253) .. "@h", ("n"):rep(254) .. "@h", "a@\0", "a@b\27[2J", ("x@y"):rep(2000),
}
local NUMBERS = { "0", "1", "-1", "0.5", "4000", "65535", "65536", "2^53", "1/0", "-1/0", "0/0", "1e308" }
local ACTIONS = { "function() error('metamethod') end", "function() return print end", "{}", "1", "false" }
local EVENTS = { "__index", "__newindex", "__pairs", "__ipairs", "__tostring", "__len", "__eq", "__lt", "__call", "__concat", "__name" }
local KEYS = { "name", "port", "meta", "zone", "[1]", "[2]", "[0]", "[-1]", "[1.5]", "[true]", "[{}]", "[1/0]", "[2^40]", "['end']" }

--- A string literal of any bytes.
---@param text string
---@return string
function M.quoted(text)
  return '"' .. text:gsub("[%c\"\\\127-\255]", function(byte) return ("\\%03d"):format(byte:byte()) end) .. '"'
end

---@return string
function M.name()
  local name = pick(NAMES)
  return M.quoted(chance(30) and mutate.bytes(name, pick(NAMES)) or name)
end

---@return string
function M.number() return pick(NUMBERS) end

local SCALARS = {
  M.name, M.name, M.number, M.number,
  function() return "nil" end,
  function() return "true" end,
  function() return "false" end,
  function() return "print" end,
  function() return "function() error({}) end" end,
  function() return "coroutine.create(print)" end,
  function() return "io.stdout" end,
  function() return ("('x'):rep(%d)"):format(random(M.LONGEST)) end,
}

local function fields(depth)
  local parts = {}
  for i = 1, random(0, 4) do
    local value = M.value(depth + 1)
    parts[i] = chance(60) and ("%s = %s"):format(pick(KEYS):gsub("^%a+$", "%0"), value) or value
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local function hostile(depth)
  local events = {}
  for i = 1, random(3) do
    events[i] = ("%s = %s"):format(pick(EVENTS), pick(ACTIONS))
  end
  if chance(30) then events[#events + 1] = "__metatable = false" end
  return ("setmetatable(%s, { %s })"):format(fields(depth), table.concat(events, ", "))
end

local function node(depth)
  return ("{ name = %s, port = %s, meta = %s }"):format(M.name(), chance(70) and "4000" or M.value(depth + 1), fields(depth))
end

local TABLES = {
  fields, fields, hostile, node, node,
  function() return "(function() local t = {} t.meta, t.name, t[1] = t, t, t return t end)()" end,
  function() return ("(function() local t = {} for i = 1, %d do t = { meta = t, t } end return t end)()"):format(random(3000)) end,
  function() return ("(function() local t = {} for i = 1, %d do t[i] = %s end return t end)()"):format(random(2000), pick({
    "'a' .. i .. '@h'", "{ name = 'a@h' }", "i", "'a@h'", "{ name = 'a' .. i % 7 .. '@h', port = i }",
  })) end,
}

--- An expression.
---@param depth? integer
---@return string
function M.value(depth)
  depth = depth or 0
  if depth < DEEPEST and chance(45) then return pick(TABLES)(depth) end
  return pick(SCALARS)()
end

--- An expression that is a list of nodes, most of them good.
---@return string
function M.nodes()
  local parts = {}
  for i = 1, random(0, 6) do parts[i] = chance(70) and node(DEEPEST - 1) or M.value(1) end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

--- Runs the text of expressions, which a shrunk one may not be any more.
---@param text string
---@return boolean ok
---@return any ... the values
function M.evaluate(text)
  local chunk = loadstring("return " .. text, "=input")
  if not chunk then return false end
  return pcall(setfenv(chunk, { setmetatable = setmetatable, print = print, error = error, coroutine = coroutine, io = io }))
end

return M
