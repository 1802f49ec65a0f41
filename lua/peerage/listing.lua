-- SPDX-License-Identifier: MIT
-- Reads the list that a poll returned against the records that are known.
-- Invariant: one pass, and nothing is allocated for an entry that says what its record says.
local describe = require("peerage.describe")
local node = require("peerage.node")
local same_meta = node.same_meta
local getmetatable, next, rawget, type = getmetatable, next, rawget, type

local M = {}

---@class peerage.Listing
---@field news table<string, peerage.Node> by name: entries that differ from their record, or have none
---@field seen integer different nodes in the list
---@field problems string[] what was wrong and where, at most 10
---@field problem_count integer all of them
---@field is_cut boolean it was too long to be read to its end

---@class peerage.ListingRoom how much is taken in: what a list comes to is the engine's memory and time
---@field entries integer that are read, and nodes that there may be
---@field items integer in all metas that are new or changed
---@field nodes integer that may be new

local MAX_PROBLEMS = 10
local ENTRY_SIZE, ITEM_SIZE = 512, 64 -- bytes that a record takes, and an item of its meta, about
local DEFAULT_LIMIT = 64 * 1024 * 1024 -- bytes

--- How much of a list is taken in.
---@param memory_limit integer|nil bytes, the provider's; 64 MB
---@param found integer nodes that stay whatever the list says
---@return peerage.ListingRoom
function M.room(memory_limit, found)
  local entries = math.floor((memory_limit or DEFAULT_LIMIT) / ENTRY_SIZE)
  return { entries = entries, items = math.floor((memory_limit or DEFAULT_LIMIT) / ITEM_SIZE), nodes = entries - found }
end

local function add_problem(listing, where, message)
  local problems = listing.problems
  listing.problem_count = listing.problem_count + 1
  if #problems < MAX_PROBLEMS then problems[#problems + 1] = where .. ": " .. message end
end

-- Describing takes twenty times as long as checking, which shows in a list of 100,000 bad names.
local function is_only_to_count(listing, value)
  return #listing.problems == MAX_PROBLEMS and type(value) ~= "table" and not node.is_name(value)
end

local function parse(value, room)
  local entry, message, items
  if room.items >= 0 then
    entry, message, items = node.parse(value)
    room.items = room.items - (items or 0)
  end
  if room.items < 0 then return nil, "the metas of the list have too many items: see memory_limit" end
  return entry, message
end

local function has_room_for_node(room)
  room.nodes = room.nodes - 1
  return room.nodes >= 0
end

-- Two ports are two services of one host, of which one node can be but one.
local function complete(listing, index, first, other)
  if first.port and other.port and first.port ~= other.port then
    add_problem(listing, "entry " .. index, ("%s is named twice, with the ports %d and %d: the first stands"):format(
      first.name, first.port, other.port))
  end
  first.port, first.meta = first.port or other.port, first.meta or other.meta
  return first
end

-- An entry that is not simply what the record says: new, changed, named twice, or bad. It waits in
-- `news` until the list is read, since a second entry of the same name may complete it.
local function note(listing, records, now, index, value, room)
  local news = listing.news
  local record = type(value) == "string" and records[value]
  if record and record.seen_at == now or news[value] then return end
  if is_only_to_count(listing, value) then
    listing.problem_count = listing.problem_count + 1
    return
  end
  local entry, message = parse(value, room)
  if not entry then return add_problem(listing, "entry " .. index, message) end
  local name = entry.name
  record = records[name]
  if news[name] then
    complete(listing, index, news[name], entry)
  elseif record and record.seen_at == now then
    news[name] = complete(listing, index, { name = name, port = record.port, meta = record.meta }, entry)
  elseif record or has_room_for_node(room) then
    news[name], listing.seen = entry, listing.seen + 1
    if record then record.seen_at = now end
  else
    add_problem(listing, "entry " .. index, ("there are %d nodes already: see memory_limit"):format(room.entries))
  end
end

local function is_index(key) return type(key) == "number" and key >= 1 and key % 1 == 0 end

-- What an entry says. Without a metatable plain access is raw, and quicker; a hidden one shows as something, if only false.
local function fields(entry)
  if getmetatable(entry) == nil then return entry.name, entry.port, entry.meta end
  return rawget(entry, "name"), rawget(entry, "port"), rawget(entry, "meta")
end

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
---@param room peerage.ListingRoom
---@return peerage.Listing
function M.read(list, records, source, now, room)
  local listing = { news = {}, seen = 0, problems = {}, problem_count = 0, is_cut = false }
  local count, last, kept, most = 0, 0, 0, room.entries
  for index, value in next, list do
    if count == most or listing.problem_count > most then
      listing.is_cut = true
      add_problem(listing, "list", ("more than %d entries, the others were not read: see memory_limit"):format(most))
      break
    end
    if index ~= count + 1 and not is_index(index) then
      add_problem(listing, "key " .. describe.value(index), "expected a list, whose keys count from 1")
    else
      count = count + 1
      if index > last then last = index end
      local name, port, meta = value, nil, nil
      if type(value) == "table" then
        name, port, meta = fields(value)
      end
      local record = records[name]
      if record and record.found and record.seen_at ~= now and record.port == port
        and (record.meta == meta or same_meta(record.meta, meta)) then
        record.seen_at, kept = now, kept + 1
        if record.source ~= source then record.source = source end
      else
        note(listing, records, now, index, value, room)
      end
    end
  end
  listing.seen = listing.seen + kept
  add_holes(listing, count, last)
  return listing
end

return M
