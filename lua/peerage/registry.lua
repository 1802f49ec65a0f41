-- SPDX-License-Identifier: MIT
-- The nodes of one cluster: which are found, which are live, and what is known of each.
-- Invariant: a record is kept exactly as long as its node is found or live.
local describe = require("peerage.describe")
local listing = require("peerage.listing")
local node = require("peerage.node")

local M = {}

local ENDED = { "down_at", "failures", "next_try", "missing" } -- what a record has no more when its node comes up

---@class peerage.Record
---@field name string
---@field port? integer
---@field meta? table plain data; not to be changed
---@field found boolean named by the last good list
---@field found_at? number seconds; since when it has been found without a break
---@field seen_at? number seconds; the last poll that named it
---@field source? string the provider that named it last; nil when it was never found
---@field live boolean
---@field live_at? number seconds; since when it has been live
---@field down_at? number seconds; when it last stopped being live
---@field attempts? integer to connect to it; nil: none
---@field failures? integer of these, since the last that succeeded; nil: none
---@field last_error? string
---@field tried_at? number seconds
---@field next_try? number seconds
---@field missing? integer complete polls in a row that lacked it, while it is live; nil: none

---@class peerage.Changes
---@field added string[] newly found; these three lists are sorted
---@field removed string[] no longer found (a live one stays in the registry)
---@field changed string[] whose port or meta changed in value
---@field any boolean whether one of the three has an entry
---@field problems string[] what was wrong with the list, at most 10
---@field problem_count integer all of them

---@class peerage.Registry
local Registry = {}
Registry.__name, Registry.__index = "peerage.Registry", Registry

---@return peerage.Registry
function M.new()
  return setmetatable({
    records = {}, -- by name
    leaving = {}, -- by name: the records that are live and not found
    record_count = 0,
    found_count = 0,
    live_count = 0,
    polled_at = -math.huge,
    order = {}, -- records sorted by name, when it was asked for last
    is_ordered = true, -- none has come or gone since
    arrivals = nil, -- names of those that came since; nil: too many to tell
  }, Registry)
end

-- A table of Lua has room for 4, 8 or 16 fields, and that of a hundred thousand records is most of what the engine holds
-- and its collector walks through: the eight that nearly all have are made at once, and what is zero is not there.
local function create(self, name)
  local record = { name = name, found = false, live = false, found_at = 0, live_at = 0, seen_at = 0, source = "", attempts = 0 }
  record.found_at, record.live_at, record.seen_at, record.source, record.attempts = nil, nil, nil, nil, nil
  self.records[name], self.is_ordered, self.record_count = record, false, self.record_count + 1
  local arrivals = self.arrivals
  if arrivals and #arrivals < self.found_count + self.live_count then
    arrivals[#arrivals + 1] = name
  else
    self.arrivals = nil
  end
  return record
end

-- Not just set to nil: that would make room for it.
local function clear(fields, key)
  if fields[key] ~= nil then fields[key] = nil end
end

local function drop_if_idle(self, record)
  if record.found or record.live then return end
  self.records[record.name], self.is_ordered, self.record_count = nil, false, self.record_count - 1
end

local function lose(self, record)
  record.found, record.found_at = false, nil
  self.found_count = self.found_count - 1
  if record.live then
    record.missing, self.leaving[record.name] = 1, record
  end
  drop_if_idle(self, record)
end

local function find(self, record, now)
  record.found, record.found_at = true, now
  clear(record, "missing")
  clear(self.leaving, record.name)
  self.found_count = self.found_count + 1
end

local function apply(self, entry, options, changes)
  local name = entry.name
  local record = self.records[name] or create(self, name)
  local was_found_before = record.source ~= nil
  if was_found_before and (record.port ~= entry.port or not node.same_meta(record.meta, entry.meta)) then
    changes.changed[#changes.changed + 1] = name
  end
  if not record.found then
    find(self, record, self.polled_at)
    changes.added[#changes.added + 1] = name
  end
  record.port, record.meta, record.source, record.seen_at = entry.port, entry.meta, options.source, self.polled_at
end

local function remove_unseen(self, seen, changes)
  for _, record in next, self.leaving do
    record.missing = (record.missing or 0) + 1
  end
  if self.found_count == seen then return end
  for name, record in next, self.records do
    if record.found and record.seen_at ~= self.polled_at then
      lose(self, record)
      changes.removed[#changes.removed + 1] = name
    end
  end
end

--- Takes in what a poll found. Bad entries are dropped and described; duplicates are merged, and the first
--- port and meta of a name win.
---@param list table names and node tables, read with raw access
---@param options { source: string, now: number, complete: boolean, memory_limit: integer? } `complete`: what is not listed
---  is no longer found, unless the list was too long to be read
---@return peerage.Changes
function Registry:update(list, options)
  if type(list) ~= "table" then error("registry:update: expected a list, found " .. describe.value(list), 2) end
  -- The time is also the mark of who was seen in this poll, so it must grow.
  self.polled_at = math.max(options.now, self.polled_at + 1e-6)
  local room = listing.room(options.memory_limit, options.complete and 0 or self.found_count)
  local read = listing.read(list, self.records, options.source, self.polled_at, room)
  local changes = { added = {}, removed = {}, changed = {} }
  changes.problems, changes.problem_count = read.problems, read.problem_count
  for _, entry in next, read.news do
    apply(self, entry, options, changes)
  end
  if options.complete and not read.is_cut then remove_unseen(self, read.seen, changes) end
  for _, names in ipairs({ changes.added, changes.removed, changes.changed }) do
    table.sort(names)
  end
  changes.any = #changes.added + #changes.removed + #changes.changed > 0
  return changes
end

local function come_up(self, record, now)
  record.live, record.live_at = true, now
  for i = 1, #ENDED do clear(record, ENDED[i]) end
  self.live_count = self.live_count + 1
  if not record.found then self.leaving[record.name] = record end
end

local function go_down(self, record, now, reason)
  record.live, record.live_at, record.down_at = false, nil, now
  if reason then record.last_error = reason end
  self.live_count = self.live_count - 1
  clear(record, "missing")
  clear(self.leaving, record.name)
  drop_if_idle(self, record)
end

--- Records that a connector reports a node connected or not. One that was not found gets a record.
---@param name string
---@param live boolean
---@param now number seconds
---@param reason? string why it is not live any more
---@param most? integer records that there may be, one that it gets included
---@return boolean changed
---@return string? message when `name` is not a node name, or one too many
function Registry:set_live(name, live, now, reason, most)
  local record = self.records[name]
  if not record then
    if not live then return false end
    local ok, message = node.check_name(name)
    if not ok then return false, message end
    if most and self.record_count >= most then
      return false, ("there are %d nodes already: see memory_limit"):format(self.record_count)
    end
    record = create(self, name)
  end
  if record.live == live then return false end
  if live then
    come_up(self, record, now)
  else
    go_down(self, record, now, reason)
  end
  return true
end

---@param name string
---@return peerage.Record?
function Registry:get(name) return self.records[name] end

--- Iterates over the records, in no order. While it runs nodes may leave, but none may come: so no yield.
---@return fun(): peerage.Record?
function Registry:each()
  local records, name, record = self.records, nil, nil
  return function()
    name, record = next(records, name)
    return record
  end
end

local function all_names(records)
  local names = {}
  for name in next, records do
    names[#names + 1] = name
  end
  return names
end

-- The records of `order` that are still there, and those of the sorted names `arrivals`, some of which may be gone
-- again, or have come twice.
local function merge(records, order, arrivals)
  local merged, count, at = {}, 0, 1
  for i = 1, #order + 1 do
    local record = order[i]
    while arrivals[at] and (not record or arrivals[at] < record.name) do
      local arrival = records[arrivals[at]]
      if arrival and merged[count] ~= arrival then
        count = count + 1
        merged[count] = arrival
      end
      at = at + 1
    end
    if record and records[record.name] == record then
      count = count + 1
      merged[count] = record
    end
  end
  return merged
end

--- All records by name. The list is kept until a record comes or goes: not to be changed.
---@return peerage.Record[]
function Registry:sorted()
  if self.is_ordered then return self.order end
  local arrivals = self.arrivals or all_names(self.records)
  table.sort(arrivals)
  self.order = merge(self.records, self.arrivals and self.order or {}, arrivals)
  self.arrivals, self.is_ordered = {}, true
  return self.order
end

---@return integer found, integer live
function Registry:count() return self.found_count, self.live_count end

--- Nodes that are live, not found, and were missing from at least the last `n` complete polls.
---@param n integer
---@return string[] names sorted
function Registry:missing(n)
  local names = {}
  for name, record in next, self.leaving do
    if (record.missing or 0) >= n then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

--- What `on_change` is told: all nodes by name, as copies.
---@return { name: string, port: integer?, meta: table?, found: boolean, live: boolean }[]
function Registry:nodes()
  local nodes = {}
  for i, record in ipairs(self:sorted()) do
    nodes[i] = {
      name = record.name, port = record.port, meta = node.copy_meta(record.meta),
      found = record.found, live = record.live,
    }
  end
  return nodes
end

return M
