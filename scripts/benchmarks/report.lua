-- SPDX-License-Identifier: MIT
--- Prints results: a Markdown table, or one JSON object a line. Knows nothing of how they came about.
local json = require("cjson")

local M = {}

local COLUMNS = "| %-44s | %-22s | %14s | %-17s | %7s | %7s | %-20s |"

--- A number with three digits that count.
---@param value number
---@return string
function M.number(value)
  local size = math.abs(value)
  if size >= 100 or size == 0 then
    local digits = ("%.0f"):format(size):reverse():gsub("(%d%d%d)", "%1,"):reverse()
    return (value < 0 and "-" or "") .. digits:gsub("^,", "")
  end
  return (size >= 10 and "%.1f" or size >= 0.1 and "%.2f" or "%.3g"):format(value)
end

local function budget_text(row)
  if not row.budget then return "" end
  local limit = row.budget_of == "ratio" and row.budget .. " x" or M.number(row.budget) .. " " .. row.unit
  if row.met == nil then return limit end
  return limit .. (row.met and ": met" or ": MISSED")
end

--- The table's head.
---@return string
function M.head()
  local names = COLUMNS:format("work", "who", "median", "spread", "samples", "x bare", "budget")
  return names .. "\n" .. (names:gsub("[^|]", "-"))
end

---@class bench.Row
---@field work string
---@field title string
---@field peer string
---@field median number
---@field low number
---@field high number
---@field unit string
---@field samples integer how often it was measured
---@field ratio number|nil of the median to the bare loop's
---@field budget number|nil
---@field budget_of "ratio"|"median"|nil what it is a limit of; the median's is in `unit`
---@field met boolean|nil

---@param row bench.Row
---@return string
function M.line(row)
  return COLUMNS:format(row.title, row.peer, M.number(row.median) .. " " .. row.unit,
    M.number(row.low) .. " to " .. M.number(row.high), row.samples, row.ratio and ("%.2f"):format(row.ratio) or "", budget_text(row))
end

---@param row bench.Row
---@return string
function M.json(row)
  return json.encode({
    work = row.work, peer = row.peer, median = row.median, spread = { row.low, row.high }, unit = row.unit,
    samples = row.samples, ratio = row.ratio or json.null, budget = row.budget or json.null,
    budget_of = row.budget_of or json.null, met = row.met == nil and json.null or row.met,
  })
end

return M
