-- SPDX-License-Identifier: MIT
--- A node a line; "#" begins a comment.
local entry = require("peerage.formats.entry")
local text = require("peerage.formats.text")

local M = { nobody = "a comment", is_by_lines = true }

local function looks_like_json(data) return data:find("^%s*{") or data:find('^%s*%[%s*["{%]]') end

---@param data string
---@param options { app_name: string? }
---@return peerage.Node[]|nil nodes
---@return string? message
function M.read(data, options)
  local nodes = {}
  local ok, message = text.each_line(data, function(line)
    local node, wrong = entry.read(line, options.app_name)
    nodes[#nodes + 1] = node
    return node, wrong
  end)
  if ok then return nodes end
  return nil, message .. (looks_like_json(data) and ': it looks like JSON: set format = "json"' or "")
end

return M
