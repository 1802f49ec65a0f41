-- SPDX-License-Identifier: MIT
--- `--once`: asks each provider once, passively, and prints the names.
local Instance = require("peerage.instance")
local Registry = require("peerage.registry")
local answers = require("peerage.answer")
local json = require("cjson.safe")
local node = require("peerage.node")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local M = { OK = 0, NONE = 1, UNKNOWN = 69 }

-- What one cluster's provider says: its registry, and whether that is all.
local function ask(planned, name, wait, scope)
  local registry, part = Registry.new(), planned.provider
  local provider = Instance.start({
    unit = part.unit, options = part.options, label = "provider " .. part.name, name = name, scope = scope,
    serves = planned.settings.serves, passive = true, methods = { poll_soon = function() end },
  })
  if provider:has("serve") and planned.settings.serves ~= false then task.sleep(wait) end
  local ok, list, message = provider:call("poll", planned.settings.timeout)
  provider:close()
  local answer, breach
  if ok then answer, breach = answers.read(list, message) end
  local reason = not ok and list.message or breach or answer.message
  if reason then provider.log.error("poll(): " .. reason) end
  if not answer or not answer.list then return registry, false end
  local changes = registry:update(answer.list, { source = part.name, now = timer.now(), complete = true })
  for _, problem in ipairs(changes.problems) do provider.log.warn("poll(): " .. problem) end
  return registry, answer.kind == "complete"
end

local function print_json(record)
  local _, host = node.split(record.name)
  local line = { name = record.name, host = host, port = record.port, meta = record.meta, source = record.source }
  io.stdout:write(assert(json.encode(line)), "\n")
end

--- Polls each cluster once and prints one line a node, sorted.
---@param planned table as peerage.plan gives it
---@param name string this node's name
---@param options { wait: number, json: boolean }
---@return integer exit_status 0; 1 if there are certainly none; 69 if it could not find out
function M.run(planned, name, options)
  local scope, records, complete = scopes.new("engine"), {}, true
  local asked = {}
  for i, each in ipairs(planned.clusters) do
    asked[i] = function() return { ask(each, name, options.wait, scope) } end
  end
  for _, result in ipairs(task.all(asked)) do
    complete = complete and result[2]
    for record in result[1]:each() do records[record.name] = records[record.name] or record end
  end
  scope:close()
  local names = {}
  for each in next, records do names[#names + 1] = each end
  table.sort(names)
  for _, each in ipairs(names) do
    if options.json then print_json(records[each]) else io.stdout:write(each, "\n") end
  end
  io.stdout:flush()
  if not complete then return M.UNKNOWN end
  return #names > 0 and M.OK or M.NONE
end

return M
