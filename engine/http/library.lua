-- SPDX-License-Identifier: MIT
--- Loads the C half of engine.http, and libcurl with it, when it is first asked for: 8 MB that nobody else has in memory.
local fs = require("engine.fs")

local M = {}

local core

-- A build tree has it beside the binary.
local function find(folder)
  local installed = folder .. "/../lib/peerage-lua/http.so"
  return fs.type(installed) == "file" and installed or folder .. "/http.so"
end

-- libcurl looks for a name among 300, one by one.
local function number_of(option)
  return function(numbers, name)
    numbers[name] = option(name)
    return numbers[name]
  end
end

--- What C provides: see core.c and transfer.h. Waits.
---@return table? core, string? message, string? code "ENOTSUP" where the library, or libcurl, is not installed
function M.load()
  if core then return core end
  local binary, message, code = fs.readlink("/proc/self/exe")
  if not binary then return nil, message, code end
  if core then return core end
  local open, reason = package.loadlib(find(binary:match("^(.*)/")), "luaopen_engine_http")
  if not open then return nil, "cannot load HTTP: " .. reason, "ENOTSUP" end
  local opened = open()
  opened.numbers = setmetatable({}, { __index = number_of(opened.option) })
  core = opened
  return core
end

return M
