-- SPDX-License-Identifier: MIT
--- Runs commands and says what they cost: CPU by getrusage (of the process and what it waited for), memory from /proc.
local fs = require("engine.fs")
local json = require("engine.json")
local process = require("engine.process")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}
M.__index = M

local PATIENCE = 600 -- seconds for one command, which is far too many
local LOOK, BUSY = 0.3, 0.02 -- seconds; CPU seconds in that time of one that still works

local function words(list) return table.concat(list, " ") end

---@class bench.Measure what works measure with
---@field folder spec.Folder for what they write
---@field scripts string path of scripts/benchmarks
---@field tools string path of what was built of bare/ and tools/
---@field engine string path of the binary
---@field quick boolean only to see that all works run
---@field runs integer

---@param options { folder: spec.Folder, scripts: string, tools: string, engine: string, quick: boolean }
---@return bench.Measure
function M.new(options)
  options.runs = 0
  return setmetatable(options, M)
end

--- How many of `count` to do: a hundredth if it is only to be seen that all works run.
---@param count integer
---@return integer
function M:scaled(count) return self.quick and math.max(1, math.floor(count / 100)) or count end

---@class bench.Used
---@field cpu number seconds, user and system
---@field wall number seconds
---@field first_output number seconds until the first byte of its output, with `until_output`
---@field max_rss integer bytes
---@field switches integer voluntary context switches
---@field instructions number|nil with `count`

---@class bench.Options
---@field env table<string, string>|nil
---@field until_output string|nil it is ended when it has written something, of which the first line must hold this (plain)
---@field count boolean|nil its instructions are counted, by callgrind

-- Starts `command` under bench-usage, and with `count` under callgrind, too.
local function start(self, command, options)
  self.runs = self.runs + 1
  local file = ("%s/usage-%d"):format(self.folder.path, self.runs)
  local arguments = { self.tools .. "/bench-usage", options.until_output and "--until-output" or nil }
  arguments[#arguments + 1] = file
  if options.count then
    for _, word in ipairs({ "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file=" .. file .. ".log" }) do
      arguments[#arguments + 1] = word
    end
  end
  for _, word in ipairs(command) do arguments[#arguments + 1] = word end
  arguments.env, arguments.cwd, arguments.timeout = options.env, self.folder.path, PATIENCE
  return assert(process.start(arguments)), file
end

local TERM = 15

local function read_usage(child, file)
  assert(child:wait())
  child:close()
  local usage = json.decode((assert(fs.read(file))))
  usage.cpu = usage.user + usage.system
  local log = fs.read(file .. ".log")
  usage.instructions = log and tonumber(log:match("Collected : (%d+)"))
  return usage
end

local function fail(command, usage, when, lines)
  local how = usage.signal ~= 0 and "by signal " .. usage.signal or "with status " .. usage.code
  error(("%s ended%s %s:\n%s"):format(words(command), when, how, table.concat(lines, "\n")), 0)
end

-- Only of the TERM that ends it a command may die.
local function used(child, file, command, lines, is_to_end)
  local usage = read_usage(child, file)
  if usage.code ~= 0 or usage.signal ~= 0 and not (is_to_end and usage.signal == TERM) then fail(command, usage, "", lines) end
  return usage
end

--- Runs a command to its end. Raises if it fails, or with `until_output` says nothing, or something else first.
---@param command string[]
---@param options bench.Options|nil
---@return bench.Used used
---@return string[] lines that it printed
function M:run(command, options)
  options = options or {}
  local child, file = start(self, command, options)
  local lines = {}
  for line in child:lines() do lines[#lines + 1] = line end
  local awaited = options.until_output
  local usage = used(child, file, command, lines, awaited)
  if awaited and usage.first_output < 0 then error(words(command) .. " ended without a word", 0) end
  if awaited and not lines[1]:find(awaited, 1, true) then
    error(("%s: expected %q first, found %q"):format(words(command), awaited, lines[1]), 0)
  end
  return usage, lines
end

-- Waits until the program below bench-usage has done what it was given. Whether it is there still.
local function settle(usage_pid)
  local children = fs.read(("/proc/%d/task/%d/children"):format(usage_pid, usage_pid))
  local pid = tonumber((children or ""):match("%d+"))
  local before, now = -1, 0
  while pid and now - before > BUSY do
    if before >= 0 then task.sleep(LOOK) end
    before, now = now, M.spent(pid).cpu
  end
  return pid ~= nil
end

-- Runs `drive` until the server ends: then it waits for nothing more.
local function drive_along(child, drive)
  local arrivals, lines = task.queue(), {}
  local driving = task.spawn(function()
    local driven = drive(arrivals)
    return settle(child.pid), driven
  end)
  local reader = task.spawn(function()
    for line in child:lines() do
      lines[#lines + 1] = line
      arrivals:push(line)
    end
    driving:cancel()
  end)
  return lines, reader, driving:join()
end

--- Runs a server beside `drive`, and ends it with TERM when that has returned and the server has nothing left to do. Raises
--- at once if the server ends before, and then it is told what it said.
---@param command string[]
---@param drive fun(lines: engine.queue): any the lines that the server prints are in the queue
---@param options bench.Options|nil
---@return bench.Used used
---@return any driven what `drive` returned
function M:serve(command, drive, options)
  local child, file = start(self, command, options or {})
  local lines, reader, ok, is_there, driven = drive_along(child, drive)
  if ok == false then
    child:close()
    error(("%s\n%s said:\n%s"):format(is_there, words(command), table.concat(lines, "\n")), 0)
  end
  if not ok or not is_there then fail(command, read_usage(child, file), " before its time", lines) end
  child:kill("TERM")
  local usage = used(child, file, command, lines, true)
  reader:cancel()
  return usage, driven
end

--- Waits for a line of a server that holds `text` (plain). Raises if none comes.
---@param lines engine.queue
---@param text string
---@param seconds number
---@return number at by engine.timer
function M.await(lines, text, seconds)
  local at = task.timeout(seconds, function()
    for line in lines.pop, lines do
      if line:find(text, 1, true) then return timer.now() end
    end
  end)
  return at or error(("expected a line with %q, none came in %d s"):format(text, seconds), 0)
end

--- What each of `large - small` units of work costs, beyond starting and ending: the slopes between two runs.
---@param make fun(count: integer): string[], bench.Options|nil
---@param small integer
---@param large integer
---@return { cpu: number, wall: number, instructions: number|nil } costs of one unit, as in bench.Used
function M:slopes(make, small, large)
  local few, many = self:run(make(small)), self:run(make(large))
  local costs = {}
  for _, what in ipairs({ "cpu", "wall", "instructions" }) do
    costs[what] = many[what] and (many[what] - few[what]) / (large - small)
  end
  return costs
end

--- One of them.
---@param what "cpu"|"instructions"
---@return number cost of one unit
function M:slope(make, small, large, what) return self:slopes(make, small, large)[what] end

--- Whether there is such a command. Waits.
---@param command string
---@return boolean
function M.is_installed(command)
  return assert(process.run({ "sh", "-c", 'PATH=$PATH:/usr/sbin:/sbin command -v "$1"', "sh", command })).code == 0
end

--- Memory of a running process. Waits.
---@param pid integer
---@return { rss: integer, unshared: integer } memory in bytes: resident; of that, what it has written, which no other
---  process can have, too. Pages of programs and libraries are not in it, whoever else happens to run them
function M.memory(pid)
  local text = assert(fs.read(("/proc/%d/smaps_rollup"):format(pid)))
  local function field(name) return tonumber(text:match(name .. ":%s+(%d+)")) * 1024 end
  return { rss = field("Rss"), unshared = field("Private_Dirty") }
end

--- CPU time of a running process, all threads, to the nanosecond (/proc/PID/task/TID/schedstat; those of threads that have
--- ended are lost), and how often it was woken. Waits.
---@param pid integer
---@return { cpu: number, switches: integer } cpu in seconds
function M.spent(pid)
  local sum = { cpu = 0, switches = 0 }
  for _, thread in ipairs(assert(fs.list(("/proc/%d/task"):format(pid)))) do
    local place = ("/proc/%d/task/%s/"):format(pid, thread)
    local ran = fs.read(place .. "schedstat")
    local status = fs.read(place .. "status")
    if ran and status then -- else it has ended meanwhile
      sum.cpu = sum.cpu + tonumber(ran:match("^%d+")) / 1e9
      sum.switches = sum.switches + tonumber(status:match("\nvoluntary_ctxt_switches:%s+(%d+)"))
    end
  end
  return sum
end

return M
