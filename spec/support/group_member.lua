-- SPDX-License-Identifier: MIT
--- Provider udp in a spec: serving on the loopback interface, in a group whose port the spec's own socket chose.
local announcement = require("peerage.announcement")
local provider = require("providers.udp")
local schema = require("peerage.schema")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")
local udp = require("engine.udp")

local M = {}
M.__index = M

M.GROUP, M.NAME, M.INSTANCE = "230.1.1.1", "me@here", ("i"):rep(8)

local PATIENCE = require("support.patience")

local function open_group(port)
  local multicast = { group = M.GROUP, interfaces = { "lo" }, only = true }
  return assert(udp.open({ port = port, reuse = true, multicast = multicast }))
end

local function recorder(lines)
  local log = {}
  for _, level in ipairs({ "debug", "info", "warn", "error" }) do
    log[level] = function(message) lines[#lines + 1] = level .. ": " .. message end
  end
  return log
end

-- What the provider gets as `self`.
local function make_self(member, given)
  local values = { port = member.port, interface = "lo", announce = { 3600, 3600 }, expire = 3601 }
  for key, value in pairs(given.options or {}) do values[key] = value end
  return setmetatable({
    options = assert(schema.validate(provider.options, values, "spec")),
    name = M.NAME, state = given.state or {}, log = recorder(member.lines), passive = given.passive,
    poll_soon = function() member.asked = member.asked + 1 end,
  }, { __index = provider })
end

--- Starts it. `given` has its options (`port` only for a group that was there before), state and passive; and `fails`
--- where serve() is to raise: `failure` then has why.
---@return spec.GroupMember
function M.start(given)
  given = given or {}
  local port = given.options and given.options.port
  local member = setmetatable({ socket = open_group(port), speaker = open_group(), lines = {}, asked = 0 }, M)
  member.port = select(2, member.socket:address())
  member.scope = scopes.new()
  member.self = make_self(member, given)
  member.serving = member.scope:spawn(function() provider.serve(member.self) end)
  if given.fails then
    member.failure = select(2, member.serving:join())
  else
    member:await(function() return member.self.joined end, "the group to be joined")
  end
  return member
end

--- Ends it, without a goodbye.
function M:stop()
  self.scope:close()
  self.socket:close()
  self.speaker:close()
end

--- Waits until `condition` holds.
function M:await(condition, what)
  local deadline = timer.now() + PATIENCE
  while not condition() do
    if timer.now() > deadline then error("waited in vain" .. (what and " for " .. what or ""), 2) end
    task.sleep(0.005)
  end
end

--- Sends to the group, from a port of the spec's own.
function M:say(data) assert(self.speaker:send(data, M.GROUP, self.port)) end

--- Sends a signed one; `changes` to what is announced.
---@return string data
function M:sign(changes, secret)
  local said = { type = "announce", instance = M.INSTANCE, stamp = timer.wall_clock(), name = "a@h" }
  for key, value in pairs(changes or {}) do said[key] = value end
  return announcement.write_signed(said, secret, announcement.context(M.GROUP, self.port))
end

--- What comes to the group next from the provider; nil after `seconds` without.
function M:hear(seconds)
  return (task.timeout(seconds or PATIENCE, function()
    for data, sender in self.socket:messages() do
      if select(2, sender:address()) == self.port then return data end
    end
  end))
end

function M:names()
  local names = assert(provider.poll(self.self))
  table.sort(names)
  return names
end

function M:count(reason) return provider.counters(self.self)[reason] or 0 end

--- Whether the log has a line with `text`.
function M:has_said(text) return table.concat(self.lines, "\n"):find(text, 1, true) ~= nil end

return M
