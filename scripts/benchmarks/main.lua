-- SPDX-License-Identifier: MIT
--- Measures works: `peerage-lua run scripts/benchmarks/main.lua TOOLS ROUNDS table|json full|quick WORK…`. TOOLS is the
--- folder of what was built of bare/ and tools/. Each round runs the engine, the bare loop and the peers in turn, so that a
--- machine that is slow for a while is slow for all.
local scripts = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = ("%s/../?.lua;%s/../../spec/?.lua;%s"):format(scripts, scripts, package.path)

local Measure = require("benchmarks.measure")
local report = require("benchmarks.report")
local session = require("benchmarks.session")
local sorted_keys = require("benchmarks.sorted_keys")
local statistics = require("benchmarks.statistics")
local verdict = require("benchmarks.verdict")

local OK, FAILED = 0, 1
local ENGINE, BARE = "peerage-lua", "bare C"

---@class bench.Figure
---@field unit string
---@field scale number|nil what a runner's number is multiplied with: 1e9 of seconds for "ns"
---@field budget bench.Budget|nil what the engine may take

---@class bench.Runner
---@field who string "peerage-lua", "bare C", or the peer
---@field run (fun(): table<string, number>)|nil a number for each figure
---@field needs string|nil the command without which it cannot run
---@field rounds integer|nil fewer than asked for, of what takes long
---@field note string|nil why there is no `run`, or what is not alike

---@class bench.Case
---@field name string "udp.1000"
---@field title string "Peer: datagrams of 1,000 names"
---@field size number|nil for `growth`
---@field figures table<string, bench.Figure>
---@field runners bench.Runner[]

---@class bench.Work
---@field needs string|nil the command without which none of it can run
---@field cases fun(measure: bench.Measure): bench.Case[]
---@field growth { figure: string, cases: string, of: string, most: number }|nil how the engine's cost may grow with the cases' `size`
---@field stop fun()|nil ends what `cases` started

local function say(text) io.stderr:write(text, "\n") end

-- Runs `work`; if it raises, that is said, and the others go on. Whether it did not.
local function attempt(self, what, work, ...)
  local ok, message = pcall(work, ...)
  if not ok then
    say(("%s failed: %s"):format(what, message))
    self.failed = self.failed + 1
  end
  return ok
end

local function collect(mine, case, runner)
  for figure, value in pairs(runner.run()) do
    mine[figure] = mine[figure] or {}
    table.insert(mine[figure], value * (case.figures[figure].scale or 1))
  end
end

-- Runs all of a case, a few rounds. The values of each figure, by who; none of one that failed in one of the rounds.
local function run_case(self, case)
  local values, has_failed = {}, {}
  for round = 1, self.rounds do
    for _, runner in ipairs(case.runners) do
      local who = runner.who
      local is_due = runner.run and not has_failed[who] and round <= (runner.rounds or self.rounds)
      if is_due and not self.missing[runner.needs or ""] then
        say(("%s: round %d of %d: %s"):format(case.name, round, self.rounds, who))
        values[who] = values[who] or {}
        has_failed[who] = not attempt(self, case.name .. ": " .. who, collect, values[who], case, runner)
        if has_failed[who] then values[who] = nil end
      end
    end
  end
  return values
end

-- The budget is the engine's; a quick run judges nothing.
local function judge(self, row, budget)
  if not budget or row.peer ~= ENGINE then return end
  row.budget, row.budget_of = budget.ratio or budget.most, budget.ratio and "ratio" or "median"
  if self.quick then return end
  row.met = verdict.is_met(row, budget)
  if not row.met then self.missed = self.missed + 1 end
end

local function show(self, row)
  print(self.as_json and report.json(row) or report.line(row))
end

local function show_figure(self, case, name, values)
  local figure, is_one = case.figures[name], next(case.figures, next(case.figures)) == nil
  local bare = values[BARE] and values[BARE][name] and statistics.median(values[BARE][name])
  for _, runner in ipairs(case.runners) do
    local of = values[runner.who] and values[runner.who][name]
    if of then
      local median = statistics.median(of)
      local row = {
        work = is_one and case.name or case.name .. "." .. name, title = is_one and case.title or case.title .. ", " .. name,
        peer = runner.who, median = median, low = math.min(unpack(of)), high = math.max(unpack(of)), unit = figure.unit,
        samples = #of, ratio = verdict.ratio(median, bare),
      }
      judge(self, row, figure.budget)
      show(self, row)
    end
  end
end

local function engine_median(values, figure) return statistics.median(values[ENGINE][figure]) end

-- With which power the engine's cost grows. It is its own sample, of medians.
local function show_growth(self, name, growth, points)
  if not growth then return end
  local possible = verdict.possible(points)
  if #possible < #points then say(("%s: a cost of zero or less is not in how it grows"):format(name)) end
  if #possible < 2 then
    say(("%s: how it grows is not known"):format(name))
    self.missed = self.missed + (self.quick and 0 or 1)
    return
  end
  local exponent = statistics.exponent(possible)
  local row = {
    work = name .. ".growth", title = "grows with " .. growth.of, peer = ENGINE, median = exponent, low = exponent,
    high = exponent, unit = "power", samples = 1,
  }
  judge(self, row, { most = growth.most, may_fall = true })
  show(self, row)
end

local function take_note(self, case, runner)
  local note = runner.note and ("%s, %s: %s"):format(case.title, runner.who, runner.note)
  if not note or self.noted[note] then return end
  self.noted[note] = true
  self.notes[#self.notes + 1] = note
end

-- What is missing is said once, and in CI it is a failure.
local function is_missing(self, needs)
  if needs and self.missing[needs] == nil then
    self.missing[needs] = not Measure.is_installed(needs)
    if self.missing[needs] then
      self.notes[#self.notes + 1] = ("%s is missing: scripts/setup --bench installs it"):format(needs)
      self.lacking = self.lacking + 1
    end
  end
  return needs and self.missing[needs]
end

local function measure_case(self, work, case, points)
  for _, runner in ipairs(case.runners) do
    is_missing(self, runner.needs)
    take_note(self, case, runner)
  end
  local values, growth = run_case(self, case), work.growth
  for _, figure in ipairs(sorted_keys(case.figures)) do show_figure(self, case, figure, values) end
  if growth and case.name:find(growth.cases) and values[ENGINE] then
    points[#points + 1] = { size = case.size, cost = engine_median(values, growth.figure) }
  end
end

local function run_work(self, name)
  local work, points = require("benchmarks.works." .. name), {}
  if is_missing(self, work.needs) then
    self.notes[#self.notes + 1] = ("%s is not measured: it needs %s"):format(name, work.needs)
    return
  end
  attempt(self, name, function()
    for _, case in ipairs(work.cases(self.measure)) do measure_case(self, work, case, points) end
    show_growth(self, name, work.growth, points)
  end)
  if work.stop then work.stop() end
end

local function run(self, works)
  if not self.as_json then print(report.head()) end
  for _, name in ipairs(works) do run_work(self, name) end
  for _, note in ipairs(self.notes) do (self.as_json and say or print)((self.as_json and "" or "\n") .. note) end
  if self.missed > 0 then say(("%d missed their budget"):format(self.missed)) end
  if self.failed > 0 then say(("%d failed"):format(self.failed)) end
  return self.missed + self.failed == 0 and (self.lacking == 0 or os.getenv("CI") ~= "true")
end

local function main(tools, rounds, form, extent, ...)
  local works = { ... }
  local self = {
    rounds = tonumber(rounds), as_json = form == "json", quick = extent == "quick",
    missing = {}, lacking = 0, missed = 0, failed = 0, notes = {}, noted = {},
  }
  return session.run(scripts, tools, self.quick, function(measure)
    self.measure = measure
    return run(self, works)
  end) and OK or FAILED
end

io.stdout:setvbuf("line")
return main(...)
