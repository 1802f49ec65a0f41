-- SPDX-License-Identifier: MIT
--- A temporary folder of a spec.
local crypto = require("engine.crypto")
local fs = require("engine.fs")
local leftovers = require("support.leftovers")
local process = require("engine.process")

local M = {}
M.__index = M

---@return spec.Folder
function M.new()
  local name = crypto.random(6):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
  local self = leftovers.note(setmetatable({ path = "/tmp/peerage-spec-" .. name }, M))
  local result = assert(process.run({ "mkdir", "-m", "700", self.path }))
  assert(result.code == 0, result.stderr)
  return self
end

--- Writes a file as an editor does that saves in place of the old one.
---@return string path
function M:write(name, text)
  local path = self.path .. "/" .. name
  assert(fs.write(path, text))
  return path
end

--- Runs a shell command in the folder.
function M:sh(command)
  local result = assert(process.run({ "sh", "-c", command, cwd = self.path }))
  assert(result.code == 0, result.stderr)
  return result.stdout
end

function M:remove()
  assert(process.run({ "rm", "-rf", self.path }))
  leftovers.forget(self)
end

return M
