-- SPDX-License-Identifier: MIT
-- What a process writes to stderr is looked at from outside: by the shell, by a JSON parser, on a terminal.
local cjson = require("cjson")
local fs = require("engine.fs")
local log = require("engine.log")
local scope = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local program = assert(fs.readlink("/proc/self/exe"))
local folder

local function read(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read("*a")
  pipe:close()
  return output
end

before_each(function() folder = read("mktemp -d"):gsub("\n", "") end)
after_each(function() os.execute("rm -rf " .. folder) end)

-- Runs Lua code in an engine of its own; `redirect` says where its stderr goes.
local function run(code, redirect, before)
  local file = assert(io.open(folder .. "/script.lua", "w"))
  file:write('local log, task = require("engine.log"), require("engine.task")\n', code)
  file:close()
  return read(("cd %s && %s %s run script.lua %s"):format(folder, before or "", program, redirect or "2>&1"))
end

local function json_of(code)
  local objects = {}
  for line in run("log.format('json')\n" .. code):gmatch("([^\n]*)\n") do objects[#objects + 1] = cjson.decode(line) end
  return objects
end

local function without_times(output) return (output:gsub("%d+%-%d+%-%d+T%d+:%d+:%d+%.%d+Z", "TIME")) end

describe("the log as text", function()
  it("has time, level, source and message in a line, and the fields sorted", function()
    local before = os.time()
    local output = run([[log.info("hello", { b = 2, a = "x", c = true })]])
    local year, month, day, hour, minute, second = output:match("^(%d+)%-(%d+)%-(%d+)T(%d+):(%d+):(%d+)%.%d%d%dZ ")
    local said = tonumber(read(("date -u -d '%s-%s-%s %s:%s:%s' +%%s"):format(year, month, day, hour, minute, second)))
    assert(said >= before and said <= os.time())
    assert.equal("TIME info  [engine] hello a=x b=2 c=true\n", without_times(output))
  end)

  it("quotes field values that are no plain words, and shows nested ones as JSON", function()
    assert.equal('TIME info  [engine] m a="two words" b="" c="a=b" d="\\"" e="x\\ny" f=[1,{"k":"v"}] "odd key"=1\n',
      without_times(run([[log.info("m", { a = "two words", b = "", c = "a=b", d = '"', e = "x\ny", f = { 1, { k = "v" } },
        ["odd key"] = 1 })]])))
  end)

  it("keeps a message of several lines, but lets no line pass for another message", function()
    local output = run([[log.info("first\n     indented\n\n2026-01-01T00:00:00.000Z error [engine] forged\n\ttab")]])
    assert.equal("TIME info  [engine] first\n     indented\n\n    TIME error [engine] forged\n\ttab\n", without_times(output))
  end)

  it("escapes control characters, invalid UTF-8 and what reorders a line, and nothing else", function()
    local output = run([[log.info("\27[2J\r\0\127 \194\155 \255 \192\175 \224\128\175 \237\160\128 \226\128\174 \\ "
      .. "\195\164 \226\130\172 \240\159\153\130")]])
    assert.equal("TIME info  [engine] \\x1b[2J\\x0d\\x00\\x7f \\xc2\\x9b \\xff \\xc0\\xaf \\xe0\\x80\\xaf \\xed\\xa0\\x80 \\xe2\\x80\\xae "
      .. "\\ \195\164 \226\130\172 \240\159\153\130\n", without_times(output))
  end)

  it("puts a traceback below the message", function()
    local output = run([[log.error("broken", { traceback = "stack traceback:\n\tx.lua:1", provider = "p" })]])
    assert.equal("TIME error [engine] broken provider=p\n    stack traceback:\n\tx.lua:1\n", without_times(output))
  end)

  it("bears the label of the running task's scope", function()
    local output = run([[
      local scope = require("engine.scope")
      scope.new("provider dns"):run(function()
        log.warn("labelled")
        scope.new():run(function() log.info("inherited") end)
        log.named("cluster web").info("named")
      end)]])
    assert.equal("TIME warn  [provider dns] labelled\nTIME info  [provider dns] inherited\nTIME info  [cluster web] named\n",
      without_times(output))
  end)

  it("tells of an error that leaves a task, with a traceback", function()
    local output = run([[
      require("engine.scope").new("provider x"):spawn(function() local function inner() error("oops") end inner() end)
      task.sleep(0)]])
    assert.matches("TIME error %[provider x%] script.lua:%d+: oops\n    stack traceback:\n\t", (without_times(output)))
    assert.matches("in function 'inner'", output, 1, true)
  end)

  it("gives a terminal the time of day only", function()
    if os.execute("command -v script > /dev/null") ~= 0 then return pending("script(1) is missing") end
    local output = read(("cd %s && echo 'require(\"engine.log\").info(\"hi\")' > s.lua && script -qec '%s run s.lua' /dev/null")
      :format(folder, program))
    assert.matches("^%d%d:%d%d:%d%d info  %[engine%] hi\r\n$", output)
  end)

  it("gives the journal a priority for each line, and no time", function()
    run([[log.level("debug") log.debug("d") log.info("i") log.warn("w\n  more\nand more") log.error("e")]], "2> log",
      ": > log; JOURNAL_STREAM=$(stat -c %d:%i log)")
    assert.equal("<7>debug [engine] d\n<6>info  [engine] i\n<4>warn  [engine] w\n<4>  more\n<4>    and more\n<3>error [engine] e\n",
      fs.read(folder .. "/log"))
  end)

  it("knows that the journal listens elsewhere", function()
    run([[log.info("i")]], "2> log", ": > log; JOURNAL_STREAM=1:$(stat -c %i log)")
    assert.equal("TIME info  [engine] i\n", without_times(fs.read(folder .. "/log")))
    run([[log.info("i")]], "2> log", ": > log; JOURNAL_STREAM=$(stat -c %d log):1")
    assert.equal("TIME info  [engine] i\n", without_times(fs.read(folder .. "/log")))
  end)
end)

describe("the log as JSON", function()
  it("is one object a line, with fields of any shape", function()
    local object = json_of([[log.warn("hello\nworld", { n = 1.5, ok = false, list = { 1, "two", { deep = true } }, empty = {},
      [7] = "seven", traceback = "stack\n\tline" })]])[1]
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+%.%d%d%dZ$", object.time)
    object.time = nil
    assert.same({ level = "warn", source = "engine", message = "hello\nworld", n = 1.5, ok = false,
      list = { 1, "two", { deep = true } }, empty = {}, ["7"] = "seven", traceback = "stack\n\tline" }, object)
  end)

  it("is valid whatever bytes there are", function()
    local output = run([[log.format("json")
      local bytes = {} for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
      local all = table.concat(bytes)
      log.info(all, { [all] = all, nan = 0/0, inf = math.huge, fn = print })
      log.info("\240\159\153\130 \244\144\128\128 \237\191\191 \226\130")]])
    local file = assert(io.open(folder .. "/out", "wb"))
    file:write(output)
    file:close()
    assert.equal("2\n", read(([[python3 -c '
import json, sys
lines = open("%s/out", encoding="utf-8").read().splitlines()
for line in lines: json.loads(line, parse_constant=lambda name: sys.exit(name))
print(len(lines))']]):format(folder)))
    local objects = {}
    for line in output:gmatch("[^\n]+") do objects[#objects + 1] = cjson.decode(line) end
    assert.equal("nan", objects[1].nan)
    assert.equal("function", objects[1].fn)
    assert.equal("\240\159\153\130 " .. ("\239\191\189"):rep(4) .. " " .. ("\239\191\189"):rep(3) .. " "
      .. ("\239\191\189"):rep(2), objects[2].message)
  end)

  it("renames a field that is named like its own parts", function()
    local object = json_of([[log.info("m", { level = 1, time = 2, source = 3, message = 4, traceback = 5,
      inner = { level = "kept" } })]])[1]
    assert.same({ 1, 2, 3, 4, 5 }, { object.field_level, object.field_time, object.field_source, object.field_message,
      object.field_traceback })
    assert.equal("kept", object.inner.level)
    assert.equal("info", object.level)
  end)

  it("ends at six levels, cycles too", function()
    local objects = json_of([[
      local cycle = {} cycle.me = cycle
      log.info("m", { t = cycle })
      local wide = {} for i = 1, 100 do wide[i] = wide end
      log.info("m", { t = wide })]])
    local depth, inner = 0, objects[1].t
    while type(inner) == "table" do
      depth, inner = depth + 1, inner.me
    end
    assert.equal(6, depth)
    assert.equal("...", inner)
    assert.equal("m", objects[2].message)
  end)

  it("runs no metamethods of the fields", function()
    local objects = json_of([[
      local function raise() error("a metamethod ran") end
      local hostile = setmetatable({ a = 1 }, { __index = raise, __pairs = raise, __tostring = raise, __len = raise,
        __call = raise, __eq = raise, __concat = raise })
      log.info("m", hostile)
      log.info("n", { inner = hostile, traceback = "t" })]])
    assert.equal(1, objects[1].a)
    assert.same({ a = 1 }, objects[2].inner)
  end)

  it("cuts a message of more than 1 MB and says how much", function()
    local object = json_of([[log.info(("x"):rep(1024 * 1024 + 5))]])[1]
    assert.equal(1024 * 1024, #object.message)
    assert.equal(5, object.cut)
  end)

  it("cuts a field of more than 1 MB, its name as well", function()
    local objects = json_of([[
      local long = ("x"):rep(1024 * 1024 + 5)
      log.info("m", { long = long }) log.info("n", { [long] = 1 })]])
    assert.equal(1024 * 1024 + 3, #objects[1].long)
    assert.equal(1, objects[2][("x"):rep(1024 * 1024) .. "..."])
  end)
end)

describe("a warning that repeats", function()
  it("is said once, and its count at the end", function()
    local output = run([[for i = 1, 42 do log.warn("again", { to = "x" }) end log.info("done")]])
    assert.equal("TIME warn  [engine] again to=x\nTIME info  [engine] done\nTIME warn  [engine] again (repeated 41 times)\n",
      without_times(output))
  end)

  it("is another one with another level, source, text or field", function()
    local output = run([[
      log.warn("a") log.error("a") log.warn("b") log.named("s").warn("a") log.warn("a", { f = 1 }) log.warn("a", { f = 2 })]])
    assert.equal(6, select(2, output:gsub("\n", "")))
  end)

  it("is said with its count when its time is over, while the engine waits", function()
    local output = run([[
      log.repeat_window(0.5)
      for i = 1, 2 do log.error("again\nsecond line") end
      task.sleep(1)
      log.info("later")
      log.error("again\nsecond line")]])
    assert.equal([[
TIME error [engine] again
    second line
TIME error [engine] again (repeated 1 time)
TIME info  [engine] later
TIME error [engine] again
    second line
]], without_times(output))
  end)

  it("is counted when it is an error of the core, too", function()
    local output = without_times(run([[
      for _ = 1, 3 do
        task.spawn(function() error("again", 0) end)
        task.sleep(0)
      end]]))
    assert.matches("^TIME error %[engine%] again\n    stack traceback:\n", output)
    assert.equal(1, select(2, output:gsub("again\n", "")))
    assert.matches("\nTIME error [engine] again (repeated 2 times)\n", output, 1, true)
  end)

  it("does not keep an engine alive that has nothing else to do", function()
    local before = timer.now()
    local output = run([[log.warn("again") log.warn("again") task.queue():pop()]])
    assert(timer.now() - before < 30)
    assert.equal("TIME warn  [engine] again\nTIME error [engine] the main task waits for something that cannot happen\n"
      .. "TIME warn  [engine] again (repeated 1 time)\n", without_times(output))
  end)

  it("is remembered among 64; the oldest gives way and tells its count", function()
    local output = without_times(run([[
      for _ = 1, 2 do log.warn("first") end
      for _ = 1, 2 do log.warn("second") end
      for i = 3, 66 do log.warn("other " .. i) end
      log.warn("first")]]))
    assert.matches("other 64\nTIME warn  [engine] first (repeated 1 time)\nTIME warn  [engine] other 65\n"
      .. "TIME warn  [engine] second (repeated 1 time)\nTIME warn  [engine] other 66\nTIME warn  [engine] first\n",
      output, 1, true)
  end)

  it("is not held back below warn, nor when the window is 0", function()
    local output = run([[for i = 1, 3 do log.info("info") end log.repeat_window(0) for i = 1, 3 do log.warn("warn") end]])
    assert.equal(6, select(2, output:gsub("\n", "")))
  end)
end)

describe("a log that nobody can take", function()
  it("stops nobody: a closed pipe, a full disk, no stderr at all", function()
    for _, redirect in ipairs({ "2> /dev/full", "2>&-", "2> >(true)" }) do
      local file = assert(io.open(folder .. "/script.lua", "w"))
      file:write([[local log = require("engine.log")
        for i = 1, 1000 do log.warn(("x"):rep(1000), { i = i }) end
        print("still here")]])
      file:close()
      assert.equal("still here\n", read(("bash -c 'cd %s && %s run script.lua %s'"):format(folder, program, redirect)))
    end
  end)

  it("drops what a full pipe does not take, goes on in a new line, and says how much was lost", function()
    local output = read(([[cd %s && cat > script.lua <<'END'
local log = require("engine.log")
for _ = 1, 10 do log.info(("x"):rep(30000)) end
print("full")
io.stdout:flush()
io.read()
log.info("after")
END
python3 - <<'END'
import os, subprocess, fcntl
r, w = os.pipe()
fcntl.fcntl(r, fcntl.F_SETFL, os.O_NONBLOCK)
engine = subprocess.Popen(["%s", "run", "script.lua"], stderr=w, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
assert engine.stdout.readline() == b"full\n"
before = os.read(r, 1000000)
engine.stdin.write(b"\n")
engine.stdin.flush()
assert engine.wait() == 0
after = os.read(r, 1000000)
print(len(before) > 30000, before.endswith(b"x"), after[:1] == b"\n", after.endswith(b"] after\n"), after.count(b"\n"))
print(b"[log] 8 messages were lost in " in after, fcntl.fcntl(w, fcntl.F_GETFL) & os.O_NONBLOCK)
END
]]):format(folder, program))
    assert.equal("True True True True 3\nTrue 0\n", output)
  end)

  it("does not wait again and again for a reader that is slow but steady", function()
    local output = read(([[cd %s && cat > script.lua <<'END'
local log, timer = require("engine.log"), require("engine.timer")
local began = timer.now()
for i = 1, 100 do log.info(("x"):rep(4000) .. i) end
print(timer.now() - began < 2)
END
python3 - <<'END'
import os, subprocess, threading, time
r, w = os.pipe()
engine = subprocess.Popen(["%s", "run", "script.lua"], stderr=w, stdout=subprocess.PIPE)
os.close(w)
def drain():
    while os.read(r, 4096): time.sleep(0.04)
threading.Thread(target=drain, daemon=True).start()
print(engine.stdout.readline().decode().strip())
engine.wait()
END
]]):format(folder, program))
    assert.equal("true\n", output)
  end)
end)

describe("a log that cannot be opened anew", function()
  -- Fills what `ends`, Python code, makes of stderr, as the user that `before` makes of this one; and reads it.
  local function fill(ends, before)
    return read(([[cd %s && cat > script.lua <<'END'
local log = require("engine.log")
for _ = 1, 20 do log.info(("x"):rep(30000)) end
print(io.open("/proc/self/fd/2", "a") and "opened" or "full")
io.stdout:flush()
io.read()
log.info("after")
END
chmod 755 . && python3 - <<'END'
import os, signal, socket, subprocess
signal.alarm(60)
%s
engine = subprocess.Popen("%s %s run script.lua".split(), stderr=w, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(engine.stdout.readline().decode().strip())
before = os.read(r, 1000000)
engine.stdin.write(b"\n")
engine.stdin.flush()
print(engine.wait(), len(before) > 30000)
after = os.read(r, 1000000)
print(b" messages were lost in " in after, after.endswith(b"] after\n"))
END
]]):format(folder, ends, before or "", program))
  end

  it("stops nobody when it is full: a socket", function()
    assert.equal("full\n0 True\nTrue True\n", fill([[
a, b = socket.socketpair()
b.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
r, w = a.fileno(), b.fileno()]]))
  end)

  it("stops nobody when it is full: another user's pipe", function()
    local nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    if os.execute(("%s %s -V > /dev/null 2>&1"):format(nobody, program)) ~= 0 then
      return pending("the engine cannot be run as another user here")
    end
    assert.equal("full\n0 True\nTrue True\n", fill([[
r, w = os.pipe()
os.fchmod(w, 0o600)]], nobody))
  end)
end)

describe("a log that was full", function()
  it("says what was lost without another message, whatever else it waits to say", function()
    local output = read(([[cd %s && cat > script.lua <<'END'
local log, task = require("engine.log"), require("engine.task")
for _ = 1, 10 do log.info(("x"):rep(30000)) end
for _ = 1, 2 do log.warn("again and again") end
print("full")
io.stdout:flush()
task.sleep(30)
END
python3 - <<'END'
import os, select, subprocess
r, w = os.pipe()
engine = subprocess.Popen(["%s", "run", "script.lua"], stderr=w, stdout=subprocess.PIPE)
assert engine.stdout.readline() == b"full\n"
os.read(r, 1000000)
said = b""
while b"lost" not in said and select.select([r], [], [], 30)[0]: said += os.read(r, 1000)
print(b"9 messages were lost" in said or said)
engine.kill()
END
]]):format(folder, program))
    assert.equal("True\n", output)
  end)
end)

describe("the log without its Lua half", function()
  it("still has the core's errors, as a plain line each", function()
    local output = run([[
      require("engine.log.core").listen(function() error("broken") end)
      task.spawn(function() error("first\n\27[2J" .. ("x"):rep(10000), 0) end)
      task.sleep(0)]])
    assert.matches("^error %[engine%] first%?%?%[2Jxxx+\n$", output)
    assert(#output > 4000 and #output <= 4096, #output .. " bytes")
  end)
end)

describe("engine.log", function()
  local captured

  before_each(function()
    captured = {}
    log.capture(function(...) captured[#captured + 1] = { ... } end)
  end)

  after_each(function()
    log.capture(nil)
    log.level("info")
    log.format("text")
  end)

  it("writes from its level on", function()
    for index, level in ipairs({ "debug", "info", "warn", "error" }) do
      captured = {}
      assert.equal(level, log.level(level))
      assert.equal(level, log.level())
      for position, name in ipairs({ "debug", "info", "warn", "error" }) do
        log[name](name)
        assert.equal(position >= index, log.is_wanted(name))
      end
      assert.equal(5 - index, #captured)
      assert.equal(level, captured[1][1])
    end
  end)

  it("gives a spec the messages with their fields, and those of the core", function()
    local fields = { a = 1 }
    log.named("me").warn("text", fields)
    assert.same({ { "warn", "me", "text", fields } }, captured)
    captured = {}
    scope.new("provider x"):run(function() log.info("labelled") end)
    assert.same({ { "info", "provider x", "labelled" } }, captured)
  end)

  it("survives a spec's function that raises, waits or logs", function()
    local output = run([[
      log.capture(function() error("from the hook") end)
      log.info("one")
      log.capture(function() task.sleep(0) end)
      log.info("two")
      log.capture(function() log.info("nested") end)
      log.info("three")
      log.capture(function(_, _, message) log.info("nested after " .. message:match("[%w ]+$")) end)
      task.spawn(function() error("an error of the core", 0) end)
      task.sleep(0)
      log.capture(nil)
      log.info("four")]])
    assert.matches("from the hook", output, 1, true)
    assert.matches("this would wait", output, 1, true)
    assert.matches("nested\n", output, 1, true)
    assert.matches("nested after an error of the core\n", output, 1, true)
    assert.matches("four\n$", output)
    assert.is_nil(output:find("three", 1, true))
  end)

  it("counts warnings and errors, those that are not written too", function()
    local before = log.counts()
    log.level("error")
    log.warn("w")
    log.warn("w")
    log.error("e")
    local after = log.counts()
    assert.equal(before.warn + 2, after.warn)
    assert.equal(before.error + 1, after.error)
  end)

  it("raises for a wrong call, and names who made it", function()
    assert.error_matches(function() log.level("loud") end,
      'expected the log level debug, info, warn or error, found "loud"')
    assert.error_matches(function() log.format("xml") end, 'expected the log format text or json, found "xml"')
    local _, message = pcall(function() log.info(nil) end)
    assert.matches("log_spec.lua:%d+: expected a message, found a nil", message)
    assert.error_matches(function() log.info({}) end, "expected a message, found a table")
    assert.error_matches(function() log.info("m", "f") end, "expected a table of fields, found a string")
    assert.error_matches(function() log.repeat_window(-1) end, "expected seconds from 0")
    assert.error_matches(function() log.capture("x") end, "function expected")
    assert.same({}, captured)
  end)

  it("lays out nothing for a message below its level", function()
    local fields = setmetatable({}, { __index = function() error("read") end })
    log.debug("m", fields)
    assert.same({}, captured)
    local garbage = require("support.garbage").of(function()
      for _ = 1, 1000 do log.debug("m", fields) end
    end)
    assert(garbage < 8, garbage .. " kB")
  end)

  it("can be called from a task that is about to be dropped", function()
    local owner = scope.new("dropped")
    owner:spawn(function()
      owner:close()
      log.info("last words")
      task.sleep(1)
    end)
    task.sleep(0)
    assert.same({ { "info", "dropped", "last words" } }, captured)
  end)
end)
