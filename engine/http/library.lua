-- SPDX-License-Identifier: MIT
--- Loads the C half of engine.http, and libcurl with it, when it is first asked for: 8 MB that nobody else has in memory.
local engine = require("engine")
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

-- A package may have been upgraded since the engine was started.
local function open(path)
  local version, reason = package.loadlib(path, "luaopen_engine_http_version")
  if not version then return nil, "cannot load HTTP: " .. reason, "ENOTSUP" end
  if version() ~= engine.version then
    return nil, ("cannot load HTTP: %s is of version %s, expected this engine's, %s: it needs a restart"):format(
      path, version(), engine.version), "ENOTSUP"
  end
  return assert(package.loadlib(path, "luaopen_engine_http"))()
end

--- What C provides: see core.c and transfer.h. Waits.
---@return table? core, string? message, string? code "ENOTSUP" where the library, or libcurl, is not installed or another
function M.load()
  if core then return core end
  local binary, message, code = fs.readlink("/proc/self/exe")
  if not binary then return nil, message, code end
  if core then return core end
  local opened
  opened, message, code = open(find(binary:match("^(.*)/")))
  if not opened then return nil, message, code end
  opened.numbers = setmetatable({}, { __index = number_of(opened.option) })
  core = opened
  return core
end

return M
