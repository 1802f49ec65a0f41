-- SPDX-License-Identifier: MIT
--- Keeps one engine busy for MINUTES and says whether it stays as it is: `peerage-lua run scripts/soak.lua MINUTES`.
--- A provider and the config change every second, a thousand names churn, DNS fails half of the time, Erlang nodes come
--- and go. A row is the least of its ten seconds: what was not given back even once in them.
local top = arg[0]:match("^(.*)/scripts/[^/]*$") or "."
package.path = top .. "/spec/?.lua;" .. package.path

local Daemon = require("support.daemon")
local ErlangNode = require("support.erlang_node")
local Folder = require("support.folder")
local dns_server = require("support.dns_server")
local log = require("engine.log")
local process = require("engine.process")
local scopes = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")
local usage = require("support.usage")

local ROW = 10 -- seconds
local LOOK = 0.5 -- seconds
local WARM_UP = 12 -- rows at least, and a quarter of all: a heap settles
local LEAST = 4 -- minutes
local GUESTS = 4
local COOKIE = "soak"
local PATIENCE = 10 -- seconds for the engine to stop
local OK, FAILED, USAGE = 0, 1, 64

-- What is held to be flat: how much the fitted line may rise from the end of the warm-up to the end of the run.
local FIGURES = {
  { name = "memory", unit = "kB", share = 0.02 },
  { name = "lua", unit = "kB", share = 0.01 },
  { name = "tasks", unit = "tasks", share = 0.02 },
  { name = "handles", unit = "handles", share = 0.02 },
  { name = "descriptors", unit = "descriptors", share = 0.02 },
}

local CONFIG = [[
local seen = { up = 0, down = 0, changes = 0 }
return {
  name = "soak@127.0.0.1", sync_offset = 0, interval = 0.5, log_results = false,
  erlang = { cookie = "%s", ticktime = 2 },
  on_up = function() seen.up = seen.up + 1 end,
  on_down = function() seen.down = seen.down + 1 end,
  on_change = function(nodes) seen.changes = #nodes end,
  clusters = {
    churn = { via = "churn", connect = "none", interval = 0.2, budget = %d },
    dead = { via = { "churn", count = 50 }, connect = { "tcp", port = 1 }, connect_timeout = 1 },
    names = { via = { "dns", dns_name = "soak.test.", app_name = "app", servers = { "%s" }, dns_timeout = 0.4 }, connect = "none" },
    guests = { via = { "list", node_list = { %s } }, connect = "erlang", connect_timeout = 2 },
    group = { via = { "udp", secret = "0123456789abcdef", interface = "lo", announce = 0.5, expire = 2 }, connect = "none" },
    census = { via = "census", connect = "none" },
  },
}
]]

-- Each poll forgets a tenth of the names and has as many that never were before.
local CHURN = [[
local M = { version = %d }
M.options = { count = { type = "integer", default = 1000 } }
function M.poll(self)
  local count, nodes = self.options.count, {}
  local first = (self.state.first or 0) + count / 10
  self.state.first = first
  for i = 1, count do nodes[i] = { name = ("node%%d@127.0.0.1"):format(first + i), meta = { since = first } } end
  return nodes
end
return M
]]

local CENSUS = [[
local scopes, task = require("engine.scope"), require("engine.task")
local M = {}
function M.poll()
  print(("census: %d %d %d"):format(collectgarbage("count"), task.stats(), scopes.handles()))
  return {}
end
return M
]]

local function free_port()
  local listener = assert(tcp.listen({ host = "127.0.0.1" }))
  local _, port = listener:address()
  listener:close()
  return port
end

local function guest_name(i) return ("guest%d@127.0.0.1"):format(i) end

local function write_config(self)
  local guests = {}
  for i = 1, GUESTS do guests[i] = ("%q"):format(guest_name(i)) end
  local budget = 1 + self.changes % 2
  self.folder:write("config.lua", CONFIG:format(COOKIE, budget, self.dns.address, table.concat(guests, ", ")))
end

local function write_provider(self) self.folder:write("churn.lua", CHURN:format(self.changes)) end

-- The provider changes every second, the config every fifth.
local function keep_changing(self)
  while true do
    task.sleep(1)
    self.changes = self.changes + 1
    write_provider(self)
    if self.changes % 5 == 0 then write_config(self) end
  end
end

-- A node that is there for a while, then gone: politely, or with its connections cut.
local function keep_visiting(self, i)
  while true do
    local scope = scopes.new()
    local node = ErlangNode.start(guest_name(i), {
      cookie = function() return COOKIE end, epmd = "client", epmd_port = self.epmd_port, ticktime = 2, scope = scope,
    })
    task.sleep(1 + 4 * math.random())
    if node and math.random() < 0.5 then node:close() end
    scope:close()
    task.sleep(2 * math.random())
  end
end

-- A few addresses of a hundred, or SERVFAIL.
local function answer()
  if math.random() < 0.5 then return { rcode = 2 } end
  local answers = {}
  for i = 1, math.random(1, 5) do answers[i] = dns_server.record("A", "10.0.0." .. math.random(1, 100)) end
  return { answers = answers }
end

local function note(least, name, value) least[name] = math.min(least[name] or math.huge, value) end

local function take_line(self, line)
  local lua, tasks, handles = line:match("census: (%d+) (%d+) (%d+)$")
  if lua then
    note(self.least, "lua", tonumber(lua))
    note(self.least, "tasks", tonumber(tasks))
    note(self.least, "handles", tonumber(handles))
    return
  end
  self.last = line
  if line:find("reloaded$") then
    self.reloads = self.reloads + 1
  elseif line:find(" error ", 1, true) then
    self.errors = self.errors + 1
    if self.errors <= 10 then print(line) end
  end
end

local function keep_reading(self)
  for line in self.engine:lines() do take_line(self, line) end
  self.has_ended = true
end

local function start(self)
  self.folder, self.epmd_port = Folder.new(), free_port()
  self.dns = dns_server.start({ ["soak.test"] = answer })
  write_config(self)
  write_provider(self)
  self.folder:write("census.lua", CENSUS)
  self.engine = assert(process.start({
    "sh", "-c", 'exec "$@" 2>&1', "sh", Daemon.binary(), self.folder.path .. "/config.lua",
    env = { ERL_EPMD_PORT = self.epmd_port },
  }))
  task.spawn(keep_reading, self)
  task.spawn(keep_changing, self)
  for i = 1, GUESTS do task.spawn(keep_visiting, self, i) end
end

-- One row: the least of each figure, and what was spent meanwhile.
local function watch_row(self, began)
  self.least = {}
  local until_time = timer.now() + ROW
  local reloads, cpu = self.reloads, usage.of(self.engine.pid).cpu
  repeat
    task.sleep(LOOK)
    if self.has_ended then error("the engine has ended: " .. (self.last or "without a word"), 0) end
    local now = usage.of(self.engine.pid)
    note(self.least, "memory", now.memory)
    note(self.least, "descriptors", now.descriptors)
  until timer.now() >= until_time
  local row = self.least
  row.time, row.reloads = timer.now() - began, self.reloads - reloads
  row.cpu = (usage.of(self.engine.pid).cpu - cpu) / ROW * 100
  self.dns.questions = {}
  return row
end

local HEADER = "%8s %9s %9s %7s %8s %12s %8s %6s"
local LINE = "%8.0f %9d %9d %7d %8d %12d %8d %5.1f%%"

local function show(row)
  print(LINE:format(row.time, row.memory, row.lua, row.tasks, row.handles, row.descriptors, row.reloads, row.cpu))
end

-- The line that fits best (least squares): its slope in units a second, the slope's standard error, and the mean.
local function fit(rows, name)
  local count, time, value = #rows, 0, 0
  for _, row in ipairs(rows) do time, value = time + row.time / count, value + row[name] / count end
  local together, alone = 0, 0
  for _, row in ipairs(rows) do
    together = together + (row.time - time) * (row[name] - value)
    alone = alone + (row.time - time) ^ 2
  end
  local slope, off = together / alone, 0
  for _, row in ipairs(rows) do off = off + (row[name] - value - slope * (row.time - time)) ^ 2 end
  return slope, math.sqrt(off / (count - 2) / alone), value
end

-- Whether a figure stayed as it was: it is not flat if it rises by more than is allowed, be it by two standard errors
-- less than the line says. A count of few may differ by one.
local function is_flat(figure, rows)
  local seconds = rows[#rows].time - rows[1].time
  local slope, doubt, mean = fit(rows, figure.name)
  local allowed = math.max(1, figure.share * mean)
  local flat = (slope - 2 * doubt) * seconds <= allowed
  print(("%-12s %-8s  %.0f on average, %+.1f (give or take %.1f) over %d s, at most %.1f allowed; %+.0f %s an hour"):format(
    figure.name, flat and "flat" or "NOT FLAT", mean, slope * seconds, 2 * doubt * seconds, seconds, allowed, slope * 3600,
    figure.unit))
  return flat
end

local function judge(rows)
  local warm = {}
  for i = math.max(WARM_UP, math.floor(#rows / 4)) + 1, #rows do warm[#warm + 1] = rows[i] end
  local all_flat = true
  for _, figure in ipairs(FIGURES) do all_flat = is_flat(figure, warm) and all_flat end
  return all_flat
end

local function soak(self, minutes)
  start(self)
  print(HEADER:format("seconds", "RSS kB", "Lua kB", "tasks", "handles", "descriptors", "reloads", "CPU"))
  local rows, began = {}, timer.now()
  for i = 1, minutes * 60 / ROW do
    rows[i] = watch_row(self, began)
    show(rows[i])
  end
  self.engine:kill("TERM")
  local ended = assert(task.timeout(PATIENCE, self.engine.wait, self.engine))
  local flat = judge(rows)
  print(("%d reloads, %d errors, exit status %s: %s"):format(
    self.reloads, self.errors, tostring(ended.code or ended.signal), flat and "flat" or "not flat"))
  return flat and self.errors == 0 and ended.code == 0 and select(2, task.stats()) == 0
end

-- Nothing stays behind, also when it is interrupted.
local function run(minutes)
  local self = { changes = 0, reloads = 0, errors = 0, least = {} }
  local signals = assert(process.signals("INT", "TERM"))
  local running = task.spawn(soak, self, minutes)
  task.spawn(function()
    signals:next()
    running:cancel()
  end)
  local ran, result = running:join()
  if ran == false then io.stderr:write("soak: ", tostring(result), "\n") end
  if self.engine then self.engine:close() end
  if self.folder then self.folder:remove() end
  return ran and result and OK or FAILED
end

local minutes = tonumber(arg[1])
if not minutes or minutes < LEAST then
  io.stderr:write(("soak: expected MINUTES, at least %d, found %s\n"):format(LEAST, arg[1] or "nothing"))
  return USAGE
end
io.stdout:setvbuf("line")
log.level("error") -- of the guests: that EPMD goes with the engine is no news
return run(minutes)
