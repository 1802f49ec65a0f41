-- SPDX-License-Identifier: MIT
--- What a cluster shows of itself: the table after a poll, and its part of SIGUSR1's answer.
local log = require("engine.log")
local report = require("peerage.report")
local stats = require("peerage.stats")
local task = require("engine.task")
local version = require("engine").version

local M = {}

local COUNTERS_TIMEOUT = 1 -- seconds for counters()
local MOST_COUNTERS, LONGEST_COUNTER = 100, 100 -- of one part; bytes of a name

--- Names that are found, sorted.
---@return string[]
function M.found(cluster)
  local names = {}
  for _, record in ipairs(cluster.registry:sorted()) do
    if record.found then names[#names + 1] = record.name end
  end
  return names
end

local function row(record)
  if record.live then return { record.name, ok = true } end
  if not record.attempts then return { record.name, reason = record.last_error } end
  return { record.name, ok = false, reason = record.last_error }
end

-- Puts a name in its place among sorted ones.
local function insert(names, name)
  local at = 1
  while names[at] and names[at] < name do at = at + 1 end
  table.insert(names, at, name)
  names[report.LIMIT + 1] = nil
end

-- The rows that are shown; of the others it is enough to know how many there are.
local function collect(cluster)
  local registry, own, failures = cluster.registry, cluster.self_name, cluster.provider.failures
  local found_count, live_count = registry:count()
  local us = registry:get(own)
  if us and not us.live then live_count = live_count + 1 end
  local rows, live = {}, {}
  for _, record in ipairs(registry:sorted()) do
    if record.found and #rows < report.LIMIT then rows[#rows + 1] = row(record) end
    if (record.live or record == us) and #live < report.LIMIT then live[#live + 1] = record.name end
    if #rows == math.min(found_count, report.LIMIT) and #live == math.min(live_count, report.LIMIT) then break end
  end
  if not us then
    insert(live, own)
    live_count = live_count + 1
  end
  local collected = {
    version = version, cluster = cluster.name, provider = cluster.provider_part.name,
    interval = failures:period(cluster.settings.interval), failing = failures.is_failing and failures.in_a_row or nil,
    self_name = own,
    rows = rows, row_count = found_count, live = live, live_count = live_count,
  }
  if cluster.doubt then collected[cluster.doubt.kind] = cluster.doubt.message end
  return collected
end

--- Writes the table: at info when something changed since the last one, else at debug.
function M.report(cluster)
  local level = cluster.is_changed and "info" or "debug"
  if not cluster.settings.log_results or not log.is_wanted(level) then return end
  local shown = collect(cluster)
  if log.format() == "json" then
    log[level]("discovery", report.fields(shown))
  else
    log[level](report.table(shown))
  end
end

--- One line for all: "3 found, 2 live", of several clusters "cache: 1 found, 1 live; web: 3 found, 2 live".
---@param clusters table<string, peerage.Cluster>
---@return string
function M.summary(clusters)
  local parts = {}
  for name, cluster in next, clusters do
    local prefix = name == "default" and "" or name .. ": "
    parts[#parts + 1] = ("%s%d found, %d live"):format(prefix, cluster.registry:count())
  end
  table.sort(parts)
  return table.concat(parts, "; ")
end

local PARTS = { "provider", "connector", "hooks" }

--- Who the parts of a cluster are in the log.
local function labels(cluster)
  return {
    provider = cluster:label("provider", cluster.provider_part), connector = cluster:label("connector", cluster.connector_part),
    hooks = cluster:label("hook", {}),
  }
end

local function uses(cluster)
  local used, names, list = stats.of_cluster(cluster), labels(cluster), {}
  for i, part in ipairs(PARTS) do
    local each = used[part]
    list[i] = { who = names[part], bytes = each.bytes, cpu = each.cpu, tasks = each.tasks, handles = each.handles }
  end
  return list
end

--- Its part of what report.explain takes.
---@return peerage.ClusterState
function M.state(cluster)
  local failures = cluster.provider.failures
  return {
    uses = uses(cluster), failing = failures.is_failing and failures.in_a_row or nil,
    period = failures:period(cluster.settings.interval),
    name = cluster.name, provider = cluster.provider_part.name, connector = cluster.connector_part.name,
    last_poll = cluster.last_poll, nodes = cluster.registry:sorted(),
  }
end

local FAILURES = {
  raised = "raised", timed_out = "timed out", interrupted = "over budget", out_of_memory = "out of memory", restarts = "restarts",
  dropped = "dropped",
}

local function add_failures(counters, who, part)
  for name, word in next, FAILURES do
    if (part[name] or 0) > 0 then counters[who .. ": " .. word] = part[name] end
  end
end

local function add_counters(counters, who, instance)
  local ok, counted = instance:call("counters", COUNTERS_TIMEOUT)
  if not ok or type(counted) ~= "table" then return end
  local shown = 0
  for name, count in next, counted do
    if shown == MOST_COUNTERS then break end
    if type(name) == "string" and #name <= LONGEST_COUNTER and type(count) == "number" then
      counters[("%s: %s"):format(who, name)], shown = count, shown + 1
    end
  end
end

--- What its provider and its connector counted (drops by reason), and how often its parts failed and were restarted, under
--- their names. Waits.
---@return table<string, integer>
function M.counters(cluster)
  local counters, names, used = {}, labels(cluster), stats.of_cluster(cluster)
  for _, part in ipairs(PARTS) do add_failures(counters, names[part], used[part]) end
  local asked = {}
  for who, instance in next, { [names.provider] = cluster.provider, [names.connector] = cluster.connector.instance } do
    if instance:has("counters") then asked[#asked + 1] = function() add_counters(counters, who, instance) end end
  end
  task.all(asked)
  return counters
end

return M
