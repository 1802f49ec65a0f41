-- SPDX-License-Identifier: MIT
--- Lays messages out for who reads stderr: a terminal, the journal, a file or a program.
local core = require("engine.log.core")
local escape = require("engine.log.escape")
local timer = require("engine.timer")
local quote = require("engine.log.fields").quote

local M = {}

local MAX_MESSAGE = 1024 * 1024 -- bytes; the rest is counted
local PRIORITIES = { debug = "<7>", info = "<6>", warn = "<4>", error = "<3>" } -- sd-daemon(3)

-- The journal says with JOURNAL_STREAM which device and inode it listens on: systemd.exec(5).
local is_terminal, device, inode = core.reader()
local is_journal = ("%.0f:%.0f"):format(device, inode) == os.getenv("JOURNAL_STREAM")

--- What a line begins with so that the journal knows its level; nothing for other readers.
---@param level engine.log.level
---@return string
function M.prefix(level) return is_journal and PRIORITIES[level] or "" end

local function time_of_day() return os.date("%H:%M:%S") end

local function timestamp()
  local milliseconds = math.floor(timer.wall_clock() / 1000)
  return os.date("!%Y-%m-%dT%H:%M:%S", milliseconds / 1000) .. (".%03dZ"):format(milliseconds % 1000)
end

-- The prefix goes before each line but the first, and one that begins with neither space nor tab is indented, so that it
-- cannot pass for a message of its own.
local function escape_lines(text, prefix)
  local escaped = escape.text(text):gsub("\n([^ \t\n])", "\n    %1")
  return prefix == "" and escaped or (escaped:gsub("\n", "\n" .. prefix))
end

---@class engine.log.message
---@field level engine.log.level
---@field source string
---@field text string
---@field fields? string laid out already
---@field traceback? string

local function cut(message)
  local left_out = #message.text - MAX_MESSAGE
  if left_out <= 0 then return message.text end
  return message.text:sub(1, MAX_MESSAGE), left_out
end

---@param message engine.log.message
---@return string line
function M.json(message)
  local prefix = M.prefix(message.level)
  local text, left_out = cut(message)
  local parts = {
    ('%s{"time":"%s","level":"%s"'):format(prefix, timestamp(), message.level),
    '"source":' .. quote(message.source), '"message":' .. quote(text),
  }
  if left_out then parts[#parts + 1] = '"cut":' .. left_out end
  if message.fields and message.fields ~= "" then parts[#parts + 1] = message.fields end
  if message.traceback then parts[#parts + 1] = '"traceback":' .. quote(message.traceback) end
  return table.concat(parts, ",") .. "}\n"
end

---@param message engine.log.message
---@return string lines
function M.text(message)
  local prefix = M.prefix(message.level)
  local text, left_out = cut(message)
  local head = is_journal and prefix or (is_terminal and time_of_day() or timestamp()) .. " "
  local words = {
    ("%s%-5s [%s]"):format(head, message.level, escape_lines(message.source, prefix)), escape_lines(text, prefix),
  }
  if left_out then words[#words + 1] = "cut=" .. left_out end
  if message.fields and message.fields ~= "" then words[#words + 1] = message.fields end
  local lines = table.concat(words, " ") .. "\n"
  if not message.traceback then return lines end
  return lines .. prefix .. "    " .. escape_lines(message.traceback, prefix) .. "\n"
end

return M
