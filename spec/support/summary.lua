-- SPDX-License-Identifier: MIT
--- Busted's output: a line per file with its time, each failure whole as it comes.
local timer = require("engine.timer")
local tally = require("support.tally")

return function(options)
  local busted = require("busted")
  local handler = require("busted.outputHandlers.base")()
  handler.options = options
  local started, before, current

  local function show(kind, name, record)
    local trace = record.trace or {}
    io.write(("\n%s %s\n  %s:%s\n"):format(kind, name, trace.short_src or "?", trace.currentline or "?"))
    local message = record.message
    message = type(message) == "string" and message or type(message) == "nil" and "(no message)" or tostring(message)
    io.write("  ", (message:gsub("\n", "\n  ")), "\n")
    if trace.traceback then io.write("  ", (trace.traceback:gsub("^%s+", ""):gsub("\n", "\n  ")), "\n") end
    io.flush()
  end

  local function file_start()
    started, before = timer.now(), tally.passed
    return nil, true
  end

  local function file_end(file)
    io.write(("%4d ok  %5.2f s  %s\n"):format(tally.passed - before, timer.now() - started, file.name))
    io.flush()
    return nil, true
  end

  local function test_start(element)
    current = handler.getFullName(element)
    return nil, true
  end

  local function test_end(element, _, status)
    if status == "success" then
      tally.passed = tally.passed + 1
    elseif status == "pending" then
      tally.skipped = tally.skipped + 1
      io.write("skipped ", handler.getFullName(element), "\n")
    end
    if os.getenv("SPEC_NAMES") then io.write(status, " ", handler.getFullName(element), "\n") io.flush() end
    return nil, true
  end

  local function failure(kind)
    return function(element, parent, message, debug)
      local is_after = element.descriptor == "after_each"
      if is_after then tally.passed = tally.passed - 1 end
      tally.failed = tally.failed + 1
      local name = is_after and current .. " (after it)" or handler.getFullName(element)
      show(kind, name, handler.format(element, parent, message, debug, kind == "ERROR"))
      return nil, true
    end
  end

  busted.subscribe({ "file", "start" }, file_start)
  busted.subscribe({ "file", "end" }, file_end)
  busted.subscribe({ "test", "start" }, test_start)
  busted.subscribe({ "test", "end" }, test_end)
  busted.subscribe({ "failure" }, failure("FAILED"))
  busted.subscribe({ "error" }, failure("ERROR"))
  handler.subscribe = function() end
  require("busted.languages.en")
  return handler
end
