-- SPDX-License-Identifier: MIT
-- Tables whose every metamethod raises: reading one in any way but raw fails the spec.
local M = {}

local metatable = { __metatable = "hostile" }
for _, event in ipairs({
  "__index", "__newindex", "__pairs", "__ipairs", "__tostring", "__len", "__eq", "__lt", "__le", "__call", "__concat",
}) do
  metatable[event] = function() error(event .. " of a hostile table ran", 2) end
end

--- Makes `fields` hostile.
---@param fields table
---@return table fields the same table
function M.table(fields) return setmetatable(fields, metatable) end

return M
