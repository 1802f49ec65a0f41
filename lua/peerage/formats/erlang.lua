-- SPDX-License-Identifier: MIT
--- The file .hosts.erlang: host names as Erlang atoms, each ended by a dot; "%" begins a comment. net_adm(3) has its format.
local describe = require("peerage.describe")
local entry = require("peerage.formats.entry")

local M = { is_bare = true, nobody = "a comment", is_by_lines = true } -- is_bare: lists hosts, which need app_name

local ESCAPES = { b = "\b", d = "\127", e = "\27", f = "\f", n = "\n", r = "\r", s = " ", t = "\t", v = "\v" }

local function line_of(data, at) return select(2, data:sub(1, at - 1):gsub("\n", "")) + 1 end

-- Behind blanks and comments.
local function skip(data, at)
  while true do
    local after = data:match("^%s*()", at)
    after = data:match("^%%[^\n]*()", after) or after
    if after == at then return at end
    at = after
  end
end

-- An atom and where it ends; nil where there is none.
local function read_atom(data, at)
  local plain, after = data:match("^(%l[%w_@]*)()", at)
  if plain then return plain, after end
  local parts, from = {}, data:match("^'()", at)
  while from do
    local part, mark, to = data:match("^([^'\\\n]*)(['\\])()", from)
    parts[#parts + 1] = part
    if not part then return nil end
    if mark == "'" then return table.concat(parts), to end
    local letter = data:sub(to, to)
    parts[#parts + 1], from = ESCAPES[letter] or letter, to + 1
  end
end

-- The dot that ends a term has a blank, a comment or nothing behind it.
local function read_dot(data, at)
  local after = data:match("^%.()", skip(data, at))
  return after and data:find("^[%s%%]", after) and after or after == #data + 1 and after or nil
end

local function refuse(data, at)
  local found = at > #data and "the end" or describe.text(data:match("^[^\n]*", at))
  return nil, ("line %d: expected a host and a dot, such as 'web1.example.org'., found %s"):format(line_of(data, at), found)
end

---@param data string
---@param options { app_name: string }
---@return peerage.Node[]|nil nodes
---@return string? message
function M.read(data, options)
  local nodes, at = {}, skip(data, 1)
  while at <= #data do
    local host, after = read_atom(data, at)
    local finish = host and read_dot(data, after)
    if not finish then return refuse(data, at) end
    local node, message = entry.read(host, options.app_name)
    if not node then return nil, ("line %d: %s"):format(line_of(data, at), message) end
    nodes[#nodes + 1], at = node, skip(data, finish)
  end
  return nodes
end

return M
