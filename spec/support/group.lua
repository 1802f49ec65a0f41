-- SPDX-License-Identifier: MIT
--- Engines that find each other, each on a host of its own in one network: for a `describe`, with a folder for each spec.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local Network = require("support.netns")

local M = {}
M.__index = M

--- Makes the hosts.
---@param count integer
---@return spec.Group
function M.new(count) return setmetatable({ network = Network.new(count), daemons = {} }, M) end

--- For `teardown`.
function M:remove() self.network:remove() end

--- For `before_each`.
function M:open() self.folder, self.daemons = Folder.new(), {} end

--- For `after_each`: stops those that were started and not put out of `daemons`.
function M:close()
  for _, daemon in pairs(self.daemons) do daemon:stop() end
  self.folder:remove()
end

--- The name of the node on host `i`.
---@param i integer
---@return string
function M:name(i) return ("app%d@%s"):format(i, self.network:address(i)) end

--- Starts the binary on host `i`.
---@param i integer
---@param arguments string[]
---@param env? table<string, string>
---@return spec.Daemon
function M:run(i, arguments, env)
  self.daemons[i] = Daemon.start(arguments, { namespace = self.network.hosts[i], env = env })
  return self.daemons[i]
end

--- Starts an engine there.
---@param i integer
---@param config string text of its config
---@param env? table<string, string>
---@return spec.Daemon
function M:start(i, config, env) return self:run(i, { self.folder:write(("config%d.lua"):format(i), config) }, env) end

return M
