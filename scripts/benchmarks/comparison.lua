-- SPDX-License-Identifier: MIT
--- Compares counts with those that are kept. Pure.
local json = require("cjson")
local report = require("benchmarks.report")
local sorted_keys = require("benchmarks.sorted_keys")

local M = {}

local MOST = 0.1 -- by which a count may differ from what is kept
local COLUMNS = "%-30s %12s %12s %9s  %s"

---@class bench.Comparison
---@field what string
---@field kept number|nil
---@field now number|nil
---@field change number|nil as a share of what is kept
---@field is_ok boolean
---@field remark string|nil what is wrong, or to be done

local function judge(row)
  if not row.now then return false, "is not counted any more" end
  if row.now <= 0 or row.now ~= row.now then return false, "expected a number greater than 0" end
  if not row.kept then return false, "is not kept yet" end
  row.change = row.now / row.kept - 1
  if row.change > MOST then return false, ("expected at most %+.0f %%"):format(100 * MOST) end
  if row.change < -MOST then return true, "it got better: keep it" end
  return true
end

--- A rise fails, of the bare loops, too: a slow one would flatter the engine.
---@param what string
---@param kept number|nil
---@param now number|nil
---@return bench.Comparison
function M.compare(what, kept, now)
  local row = { what = what, kept = kept, now = now }
  row.is_ok, row.remark = judge(row)
  return row
end

---@return string
function M.head() return COLUMNS:format("instructions", "kept", "now", "change", "") end

---@param row bench.Comparison
---@return string
function M.line(row)
  local verdict = row.is_ok and "ok" or "FAILED"
  return COLUMNS:format(row.what, row.kept and report.number(row.kept) or "none", row.now and report.number(row.now) or "none",
    row.change and ("%+.1f %%"):format(100 * row.change) or "", row.remark and verdict .. ": " .. row.remark or verdict)
end

--- What is not of the version that the kept counts are of.
---@param kept table<string, string>
---@param now table<string, string>
---@return string[] sentences
function M.differences(kept, now)
  local sentences = {}
  for _, what in ipairs(sorted_keys(kept, now)) do
    if kept[what] ~= now[what] then
      sentences[#sentences + 1] = ("%s is %s here, what is kept was counted with %s"):format(
        what, now[what] or "not known", kept[what] or "another")
    end
  end
  return sentences
end

local function object(map, value_text)
  local lines = {}
  for _, key in ipairs(sorted_keys(map)) do lines[#lines + 1] = ("    %s: %s"):format(json.encode(key), value_text(map[key])) end
  return "{\n" .. table.concat(lines, ",\n") .. "\n  }"
end

--- What is kept, as JSON: one figure a line, so that a change of one is a change of one line.
---@param versions table<string, string>
---@param figures table<string, number>
---@return string
function M.encode(versions, figures)
  local function number(value) return ("%.1f"):format(value) end
  local function text(value) return (json.encode(value):gsub("\\/", "/")) end
  return ('{\n  "versions": %s,\n  "figures": %s\n}\n'):format(object(versions, text), object(figures, number))
end

return M
