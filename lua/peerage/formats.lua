-- SPDX-License-Identifier: MIT
--- From what files, programs and APIs say to nodes. Pure: text in, a list or a message out. Open to providers.
--- Invariant: a text that says nothing is no list, for so a file looks that is about to be written.
local describe = require("peerage.describe")
local node = require("peerage.node")
local paths = require("peerage.formats.path")
local text_of = require("peerage.formats.text")

---@class peerage.formats
local M = {}

local READERS = {
  erlang = require("peerage.formats.erlang"), hosts = require("peerage.formats.hosts"),
  json = require("peerage.formats.json"), lines = require("peerage.formats.lines"),
  prometheus = require("peerage.formats.prometheus"),
}

--- The names of all formats, sorted.
M.names = { "erlang", "hosts", "json", "lines", "prometheus" }

local function check_app_name(value) return node.check_name(value .. "@localhost") end

local function check_select(value)
  if type(value) == "function" then return true end
  return paths.parse(value)
end

--- Options of a provider that reads one of the formats.
---@param default string|nil the format without the option
---@return peerage.Schema a new table, for more options to stand in
function M.options(default)
  return {
    format = { type = "string", default = default, values = M.names, doc = table.concat(M.names, ", ") },
    app_name = { type = "string", check = check_app_name, doc = "makes app_name@host of hosts" },
    select = {
      type = { "string", "function" }, check = check_select,
      doc = "where in JSON the nodes are: items[].status.podIP, or a function of what was decoded",
    },
  }
end

local function reader(format)
  local found = READERS[format]
  if found then return found end
  error(('bad format: expected "%s", found %s'):format(table.concat(M.names, '", "'), describe.value(format)), 3)
end

--- Whether such options go together. An unknown format raises.
---@param format string
---@param options table
---@return true|nil ok
---@return string? message
function M.check(format, options)
  if reader(format).is_bare and not options.app_name then
    return nil, ('format = "%s" lists hosts: app_name is required, the part before the "@"'):format(format)
  end
  if options.select and format ~= "json" then
    return nil, ('select is for format = "json", found format = "%s"'):format(format)
  end
  return true
end

--- Whether a format is read by lines, so that half of a text may be a list, too.
---@param format string
---@return boolean
function M.is_by_lines(format) return reader(format).is_by_lines == true end

--- Reads a text. An unknown format, and a text that is no string, raise.
---@param format string one of `names`
---@param text string
---@param options? { app_name: string?, select: string|function|nil }
---@return peerage.Node[]|nil nodes
---@return string? message names the line or the element; with nodes: they are a part
function M.read(format, text, options)
  local found = reader(format)
  if type(text) ~= "string" then error("bad text: string expected, found " .. describe.value(text), 2) end
  if text_of.is_blank(text) then return nil, ("it is empty: expected nodes, or %s where there are none"):format(found.nobody) end
  return found.read(text, options or {})
end

return M
