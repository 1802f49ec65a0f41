-- SPDX-License-Identifier: MIT
-- What poll() said: sorts its return values into complete, partial, unknown, or a breach of the contract, and logs what is wrong.
-- Invariant: nothing that the provider returned is looked into but by raw access.
local describe = require("peerage.describe")

local M = {}

---@class peerage.Answer
---@field kind "complete"|"partial"|"unknown"
---@field list? table of entries, unchecked; nil when unknown
---@field message? string why it is partial or unknown

local function reason(message, who)
  if message == "" then return who .. " gave an empty reason" end
  if type(message) == "string" then return describe.message(message) end
  return who .. " gave as its reason " .. describe.value(message) .. ": expected a string"
end

-- What an API answers instead of a list would else be one without nodes.
local function find_stray(list, said)
  local key = next(list)
  if rawget(list, 1) ~= nil or type(key) ~= "string" then return nil end
  if rawget(list, "name") == nil then
    return ("%s a table with the key %s: expected a list of nodes"):format(said, describe.key(key))
  end
  return said .. ' one node: expected a list of nodes, such as { { name = "app@10.0.0.1" } }'
end

--- Classifies the return values of `poll()`, or what self:update() was given.
---@param list any the first value
---@param message any the second value
---@param who? string what messages begin with; "poll()"
---@param verb? string what they say that it did; " returned"
---@return peerage.Answer? answer
---@return string? error when the provider broke the contract
function M.read(list, message, who, verb)
  who = who or "poll()"
  local said = who .. (verb or " returned")
  if list == nil then
    if message == nil then return nil, said .. " nil without a reason" end
    return { kind = "unknown", message = reason(message, who) }
  end
  if type(list) ~= "table" then
    local hint = type(list) == "string" and ": did you forget the braces?" or ""
    return nil, said .. " " .. describe.value(list) .. ": expected a list of nodes" .. hint
  end
  local stray = find_stray(list, said)
  if stray then return nil, stray end
  if message == nil then return { kind = "complete", list = list } end
  return { kind = "partial", list = list, message = reason(message, who) }
end

--- The answer with a list that a call of poll() gave, or why there is none.
---@param ok boolean as peerage.call returns them
---@param list any
---@param message any
---@return peerage.Answer? answer complete or partial
---@return peerage.Failure? failure its reason may also be "breach" or "unknown"
function M.of_call(ok, list, message)
  if not ok then return nil, list end
  local answer, breach = M.read(list, message)
  if not answer then return nil, { reason = "breach", message = breach } end
  if answer.kind == "unknown" then return nil, { reason = "unknown", message = answer.message } end
  return answer
end

local LEVELS = {
  raised = "error", breach = "error", closed = "error", interrupted = "error", out_of_memory = "error", timeout = "warn",
  unknown = "warn",
}

--- Logs what was not as it should be. Messages of answers begin with "poll()", those of calls do not.
---@param log engine.log.logger the provider's
---@param answer peerage.Answer?
---@param failure peerage.Failure?
---@param is_known boolean? that it fails was said before
function M.say(log, answer, failure, is_known)
  if answer and answer.message then log.warn("poll(): the list is a part: " .. answer.message) end
  if not failure then return end
  local text = failure.message:find("^poll%(%)") and failure.message or "poll(): " .. failure.message
  log[is_known and "debug" or LEVELS[failure.reason]](text, { traceback = failure.traceback })
end

--- Logs which entries of the list were dropped.
---@param log engine.log.logger the provider's
---@param changes peerage.Changes
function M.say_problems(log, changes)
  for _, problem in ipairs(changes.problems) do log.warn("poll(): " .. problem) end
  local more = changes.problem_count - #changes.problems
  if more > 0 then log.warn(("poll(): and %d more bad entries"):format(more)) end
end

return M
