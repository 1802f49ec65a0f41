-- SPDX-License-Identifier: MIT
-- What the engine tells its operator: Peerage's table after a poll, and the long answer to SIGUSR1.
-- Invariant: plain data in, text out; control characters in the data are escaped, so that it cannot forge a line.
local describe = require("peerage.describe")
local format = string.format

local M = {}

local INDENT = "     "
local GAP = 6 -- spaces after the longest name

M.LIMIT = 100 -- rows a section, where none is given

M.NODES = 5000 -- lines of nodes in the answer to SIGUSR1: about what the log takes of one message

local DOUBTS = { -- a report has one at most
  stale = "%sstale: this is the last good list (%s)",
  partial = "%spartial: others may be missing (%s)",
  unknown = "%sunknown: there is no list yet (%s)",
}

---@class peerage.Report
---@field version string
---@field cluster string
---@field provider string
---@field interval number seconds
---@field failing? integer how many polls in a row failed, when it is marked failing
---@field stale? string why the list is not from the last poll
---@field partial? string why it is a part only
---@field unknown? string why there is none yet
---@field rows { [1]: string, ok: boolean?, reason: string? }[] nodes in the list; `ok` nil: not tried
---@field row_count? integer of all nodes in the list, where `rows` has the first only
---@field live string[] to be shown in this order, this node among them
---@field live_count? integer of all that are live, where `live` has the first only
---@field self_name? string
---@field limit? integer rows to show in each section, default 100

local function escape(char) return (string.gsub(char, ".", function(c) return format("\\%03d", string.byte(c)) end)) end

local function printable(text)
  if type(text) ~= "string" then return describe.value(text) end
  local shown = string.gsub(string.gsub(text, "%c", escape), "\194[\128-\159]", escape) -- C1 controls in UTF-8
  return shown
end

local function cluster_tag(name) return name == "default" and "" or format(" [cluster %s]", printable(name)) end

local function verdict(row, self_name)
  if row[1] == self_name or row.ok then return "true" end
  local word = row.ok == nil and "not tried" or "false"
  return row.reason and format("%s (%s)", word, printable(row.reason)) or word
end

-- `show(i)` for the first `limit` of `count` items, then how many more there are.
local function add_section(lines, count, limit, show)
  if count == 0 then lines[#lines + 1] = INDENT .. "(none)" end
  for i = 1, math.min(count, limit) do
    lines[#lines + 1] = INDENT .. show(i)
  end
  if count > limit then lines[#lines + 1] = format("%s… and %d more", INDENT, count - limit) end
end

local function pad(text, width) return text .. (" "):rep(width - #text) end -- format() pads to 99 at most

local function name_width(rows, limit)
  local width = #"NAME"
  for i = 1, math.min(#rows, limit) do
    width = math.max(width, #printable(rows[i][1]))
  end
  return width + GAP
end

--- Peerage's table: what each node of the list came to, and who is live.
---@param t peerage.Report
---@return string text several lines, without a newline at the end
function M.table(t)
  local limit = t.limit or M.LIMIT
  local width = name_width(t.rows, limit)
  local header = "[peerage %s] [%s]%s discovery every %g s"
  local lines = { format(header, t.version, printable(t.provider), cluster_tag(t.cluster), t.interval), "" }
  if t.failing then
    lines[#lines + 1] = format("%sfailing: the provider failed %d times in a row", INDENT, t.failing)
    lines[#lines + 1] = ""
  end
  for doubt, text in next, DOUBTS do
    if t[doubt] then
      lines[#lines + 1] = format(text, INDENT, printable(t[doubt]))
      lines[#lines + 1] = ""
    end
  end
  lines[#lines + 1] = INDENT .. pad("NAME", width) .. "RESULT OF ATTEMPT"
  add_section(lines, t.row_count or #t.rows, limit, function(i)
    local row = t.rows[i]
    return pad(printable(row[1]), width) .. verdict(row, t.self_name)
  end)
  lines[#lines + 1] = ""
  lines[#lines + 1] = INDENT .. "LIVE NODES"
  add_section(lines, t.live_count or #t.live, limit, function(i)
    local name = t.live[i]
    return printable(name) .. (name == t.self_name and " (self)" or "")
  end)
  return table.concat(lines, "\n")
end

local function first(list, count, limit, copy)
  local taken = {}
  for i = 1, math.min(count, limit) do
    taken[i] = copy(list[i])
  end
  return taken, count > limit and count - limit or nil
end

--- The table as plain data, for the JSON log.
---@param t peerage.Report
---@return table fields `rows_left_out` and `live_left_out` are there when `limit` cut a list
function M.fields(t)
  local limit = t.limit or M.LIMIT
  local fields = {
    version = t.version, cluster = t.cluster, provider = t.provider, interval = t.interval,
    failing = t.failing, stale = t.stale, partial = t.partial, unknown = t.unknown, self = t.self_name,
  }
  fields.rows, fields.rows_left_out = first(t.rows, t.row_count or #t.rows, limit, function(row)
    local is_ours = row[1] == t.self_name
    return { name = row[1], ok = is_ours or row.ok, reason = not is_ours and row.reason or nil }
  end)
  fields.live, fields.live_left_out = first(t.live, t.live_count or #t.live, limit, function(name) return name end)
  return fields
end

local function seconds(span) return format(span < 10 and "%.1f s" or "%.0f s", math.max(span, 0)) end

local function ago(now, at) return at and seconds(now - at) .. " ago" or "never" end

local function plural(count, word) return format("%d %s%s", count, word, count == 1 and "" or "s") end

local function say_found(record, now)
  if record.found then
    local by, named = printable(record.source), ago(now, record.seen_at)
    return format("found by %s %s (last named %s)", by, ago(now, record.found_at), named)
  end
  if not record.source then return "never found" end
  local gone = format("not found (last named by %s %s", printable(record.source), ago(now, record.seen_at))
  return gone .. (record.missing and ", missing from " .. plural(record.missing, "poll") .. ")" or ")")
end

local function say_live(record, now)
  if record.live then return "live for " .. seconds(now - record.live_at) end
  return record.down_at and "not live, went down " .. ago(now, record.down_at) or "not live"
end

local function say_attempts(record, now)
  if not record.attempts then return "never tried" end
  local said = plural(record.attempts, "attempt")
  if record.failures then said = format("%s (the last %d failed)", said, record.failures) end
  return record.tried_at and format("%s, the last %s", said, ago(now, record.tried_at)) or said
end

local function say_next(record, now)
  if record.live or not record.next_try then return nil end
  return record.next_try > now and "next try in " .. seconds(record.next_try - now) or "next try is due"
end

local function explain_node(record, now, self_name)
  local said = { say_found(record, now) }
  if record.name == self_name then
    said[2] = "this node itself"
  else
    said[2], said[3] = say_live(record, now), say_attempts(record, now)
    if record.last_error then said[#said + 1] = "last error: " .. printable(record.last_error) end
    said[#said + 1] = say_next(record, now)
  end
  local name = printable(record.name) .. (record.port and " port " .. record.port or "")
  return name .. ": " .. table.concat(said, ", ")
end

local function explain_poll(poll, now)
  if not poll then return "not polled yet" end
  return format("last poll %s, took %.3f s: %s", ago(now, poll.at), poll.took, printable(poll.outcome))
end

local function explain_uses(lines, uses)
  for _, use in ipairs(uses or {}) do
    lines[#lines + 1] = format("%s%s: %.1f MB, %.3f s of CPU, %s, %s", INDENT, printable(use.who), use.bytes / 2 ^ 20, use.cpu,
      plural(use.tasks, "task"), plural(use.handles, "handle"))
  end
end

local function explain_problems(lines, poll)
  if not poll or not poll.problems or #poll.problems == 0 then return end
  lines[#lines + 1] = format("%sthat poll's list had %s:", INDENT, plural(poll.problem_count, "problem"))
  add_section(lines, poll.problem_count, #poll.problems, function(i) return "  " .. printable(poll.problems[i]) end)
end

local function is_troubled(record) return not (record.found and record.live) end

-- The first `limit` nodes, those in trouble before the others where there are more.
local function choose(nodes, limit)
  if #nodes <= limit then return nodes end
  local chosen = {}
  for _, wanted in ipairs({ true, false }) do
    for _, record in ipairs(nodes) do
      if #chosen == limit then return chosen end
      if is_troubled(record) == wanted then chosen[#chosen + 1] = record end
    end
  end
  return chosen
end

local function explain_cluster(lines, cluster, t)
  local found, live = 0, 0
  for _, record in ipairs(cluster.nodes) do
    found, live = found + (record.found and 1 or 0), live + (record.live and 1 or 0)
  end
  local limit = math.ceil(M.NODES / #t.clusters)
  local nodes = choose(cluster.nodes, limit)
  lines[#lines + 1] = ""
  lines[#lines + 1] = format("cluster %s: provider %s, connector %s, %d found, %d live",
    printable(cluster.name), printable(cluster.provider), printable(cluster.connector), found, live)
  lines[#lines + 1] = INDENT .. explain_poll(cluster.last_poll, t.now)
  if cluster.failing then
    lines[#lines + 1] = format("%sfailing: the last %d polls failed, it is polled every %g s", INDENT, cluster.failing, cluster.period)
  end
  explain_problems(lines, cluster.last_poll)
  explain_uses(lines, cluster.uses)
  add_section(lines, #cluster.nodes, limit, function(i)
    return explain_node(nodes[i], t.now, t.self_name)
  end)
end

local function explain_counters(lines, counters)
  local names = {}
  for name in pairs(counters) do
    names[#names + 1] = name
  end
  if #names == 0 then return end
  table.sort(names)
  lines[#lines + 1] = ""
  lines[#lines + 1] = "counters"
  for _, name in ipairs(names) do
    lines[#lines + 1] = format("%s%s: %d", INDENT, printable(name), counters[name])
  end
end

---@class peerage.State what SIGUSR1 asks for; all times in seconds of one clock
---@field now number
---@field version string
---@field self_name? string
---@field clusters peerage.ClusterState[]
---@field counters? table<string, integer> such as drops by reason

---@class peerage.ClusterState
---@field name string
---@field provider string
---@field connector string
---@field last_poll? peerage.LastPoll
---@field failing? integer how many polls in a row failed, when it is marked failing
---@field period? number seconds between polls then
---@field uses? { who: string, bytes: integer, cpu: number, tasks: integer, handles: integer }[] of its parts
---@field nodes peerage.Record[] as registry:sorted() gives them

---@class peerage.LastPoll
---@field at number when it ended
---@field took number seconds
---@field outcome string such as "complete, 5 nodes" or why it could not find out
---@field problems? string[] as in peerage.Changes
---@field problem_count? integer

--- The answer to "why is X not there?": one line a node, so that it can be grepped for.
---@param t peerage.State
---@return string text several lines, without a newline at the end
function M.explain(t)
  local of_whom = t.self_name and " of " .. printable(t.self_name) or ""
  local lines = { format("[peerage %s] state%s", t.version, of_whom) }
  for _, cluster in ipairs(t.clusters) do
    explain_cluster(lines, cluster, t)
  end
  explain_counters(lines, t.counters or {})
  return table.concat(lines, "\n")
end

return M
