-- SPDX-License-Identifier: MIT
-- Reads the list that a poll returned against the records that are known.
-- Invariant: one pass, and nothing is allocated for an entry that says what its record says.
local describe = require("peerage.describe")
local node = require("peerage.node")
local same_meta = node.same_meta
local next, rawget, type = next, rawget, type

local M = {}

---@class peerage.Listing
---@field news table<string, peerage.Node> by name: entries that differ from their record, or have none
---@field seen integer different nodes in the list
---@field problems string[] what was wrong and where, at most 10
---@field problem_count integer all of them

local MAX_PROBLEMS = 10

local function add_problem(listing, where, message)
  local problems = listing.problems
  listing.problem_count = listing.problem_count + 1
  if #problems < MAX_PROBLEMS then problems[#problems + 1] = where .. ": " .. message end
end

-- Describing takes twenty times as long as checking, which shows in a list of 100,000 bad names.
local function is_only_to_count(listing, value)
  return #listing.problems == MAX_PROBLEMS and type(value) == "string" and not node.is_name(value)
end

local function merge(first, other)
  first.port, first.meta = first.port or other.port, first.meta or other.meta
  return first
end

-- An entry that is not simply what the record says: new, changed, named twice, or bad. It waits in
-- `news` until the list is read, since a second entry of the same name may complete it.
local function note(listing, records, now, index, value)
  local news = listing.news
  local record = type(value) == "string" and records[value]
  if record and record.seen_at == now or news[value] then return end
  if is_only_to_count(listing, value) then
    listing.problem_count = listing.problem_count + 1
    return
  end
  local entry, message = node.parse(value)
  if not entry then return add_problem(listing, "entry " .. index, message) end
  local name = entry.name
  record = records[name]
  if news[name] then
    merge(news[name], entry)
  elseif record and record.seen_at == now then
    news[name] = merge({ name = name, port = record.port, meta = record.meta }, entry)
  else
    news[name], listing.seen = entry, listing.seen + 1
    if record then record.seen_at = now end
  end
end

local function is_index(key) return type(key) == "number" and key >= 1 and key % 1 == 0 end

local function add_holes(listing, count, last)
  if last == count then return end
  local message = string.format("expected no holes, found %d entries up to index %d; all were read", count, last)
  add_problem(listing, "list", message)
end

--- Reads `list` with raw access. Stamps the records of what it names with `now` (`seen_at`), and, where the
--- entry says nothing new, with `source`.
---@param list table
---@param records table<string, peerage.Record> by name
---@param source string the provider
---@param now number seconds; greater than at any reading before
---@return peerage.Listing
function M.read(list, records, source, now)
  local listing = { news = {}, seen = 0, problems = {}, problem_count = 0 }
  local count, last, kept = 0, 0, 0
  for index, value in next, list do
    if index ~= count + 1 and not is_index(index) then
      add_problem(listing, "key " .. describe.value(index), "expected a list, whose keys count from 1")
    else
      count = count + 1
      if index > last then last = index end
      local name, port, meta = value, nil, nil
      if type(value) == "table" then
        name, port, meta = rawget(value, "name"), rawget(value, "port"), rawget(value, "meta")
      end
      local record = records[name]
      if record and record.found and record.seen_at ~= now and record.port == port
        and (record.meta == meta or same_meta(record.meta, meta)) then
        record.seen_at, kept = now, kept + 1
        if record.source ~= source then record.source = source end
      else
        note(listing, records, now, index, value)
      end
    end
  end
  listing.seen = listing.seen + kept
  add_holes(listing, count, last)
  return listing
end

return M
