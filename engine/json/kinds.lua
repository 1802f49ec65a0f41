-- SPDX-License-Identifier: MIT
--- What JSON has and Lua has not: null, and arrays that are none because they are empty.
--- Invariant: both are told by identity, so a copy of this module has the same.
local M = {}

--- Levels of arrays and objects in each other that can be read and written; each takes some 20 to 30 of the 65,500 slots of
--- LuaJIT's stack.
M.deepest = 1000

local ARRAY = { __name = "json array", __metatable = "json array" }

--- Null, where nil cannot stand. Each module that is copied for a provider has this one: a userdata is never copied.
M.null = newproxy(true)

local null_class = getmetatable(M.null)
null_class.__name, null_class.__metatable = "json null", "json null"
function null_class.__tostring() return "null" end

--- Marks a list as an array, which it stays when it is empty.
---@generic T
---@param list T
---@return T list the same
function M.array(list) return M.is_array(list) and list or setmetatable(list, ARRAY) end

--- Whether a value is a marked list.
---@return boolean
function M.is_array(value) return type(value) == "table" and debug.getmetatable(value) == ARRAY end

return M
