-- SPDX-License-Identifier: MIT
--- `--once`: asks each provider once, passively, and prints the names.
local Instance = require("peerage.instance")
local Registry = require("peerage.registry")
local answers = require("peerage.answer")
local json = require("engine.json")
local log = require("engine.log")
local node = require("peerage.node")
local scopes = require("engine.scope")
local task = require("engine.task")
local text_keys = require("peerage.text_keys")
local timer = require("engine.timer")

local M = { OK = 0, NONE = 1, FAILED = 1, UNKNOWN = 69 }

-- What one cluster's provider says: its registry, and whether that is all.
local function ask(planned, name, wait, scope)
  local registry, part = Registry.new(), planned.provider
  local provider = Instance.start({
    unit = part.unit, options = part.options, label = "provider " .. part.name, name = name, scope = scope,
    serves = planned.settings.serves, passive = true, account = part.account, methods = { poll_soon = function() end },
    on_update = function() end,
  })
  if provider:has("serve") and planned.settings.serves ~= false then provider:await_news(wait) end
  local answer, failure = answers.of_call(provider:ask(planned.settings.timeout))
  provider:close()
  answers.say(provider.log, answer, failure)
  if not answer then return registry, false end
  local changes = registry:update(answer.list, {
    source = part.name, now = timer.now(), complete = true, memory_limit = planned.settings.memory_limit,
  })
  answers.say_problems(provider.log, changes)
  return registry, answer.kind == "complete"
end

local function json_line(record)
  local _, host = node.split(record.name)
  local line = { name = record.name, host = host, port = record.port, meta = text_keys(record.meta), source = record.source }
  local text, message = json.encode(line)
  if not text then
    log.warn(("%s: its meta cannot be written as JSON and is left out: %s"):format(record.name, message))
    line.meta = nil
    text = assert(json.encode(line))
  end
  return text
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
  local lines = {}
  for i, each in ipairs(names) do lines[i] = (options.json and json_line(records[each]) or each) .. "\n" end
  local ok, message = io.stdout:write(table.concat(lines))
  if ok then ok, message = io.stdout:flush() end
  if not ok then
    log.error("stdout cannot be written: " .. message)
    return M.FAILED
  end
  if not complete then return M.UNKNOWN end
  return #names > 0 and M.OK or M.NONE
end

return M
