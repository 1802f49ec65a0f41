-- SPDX-License-Identifier: MIT
-- Programs: what they are given, what they give, and that nothing of them is left. Signals that the engine takes.
local fs = require("engine.fs")
local process = require("engine.process")
local scopes = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")

local Folder = require("support.folder")
local eventually = require("support.eventually")

local function run(...) return assert(process.run({ ... })) end

-- Whether a process is there and runs; one that nobody reaped yet has ended.
local function is_running(pid)
  local status = fs.read("/proc/" .. pid .. "/stat")
  return status ~= nil and not status:find("^%d+ %(.-%) [ZX]")
end

local function await_end(pid)
  for _ = 1, 1000 do
    if not is_running(pid) then return true end
    task.sleep(0.01)
  end
  return false
end

describe("process.run", function()
  it("gives the exit code and what was printed where", function()
    local ended = run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert.same({ code = 3, stdout = "out\n", stderr = "err\n" }, ended)
  end)

  it("gives the signal that ended a program", function()
    assert.same({ signal = "KILL", stdout = "", stderr = "" }, run("sh", "-c", "kill -KILL $$"))
  end)

  it("hands arguments over as they are", function()
    local ended = run("printf", "%s|", "a b", "'", '"$HOME"', "*", "", "line\nline", 42, "\255")
    assert.equal("a b|'|\"$HOME\"|*||line\nline|42|\255|", ended.stdout)
  end)

  it("writes standard input and ends it", function()
    local data = ("0123456789abcdef"):rep(65536)
    assert.is_true(assert(process.run({ "cat", stdin = data })).stdout == data)
    assert.equal("", assert(process.run({ "cat", stdin = "" })).stdout)
    assert.equal("", run("cat").stdout)
  end)

  it("does not mind a program that reads none of it", function()
    assert.equal(0, assert(process.run({ "true", stdin = ("x"):rep(2 ^ 20) })).code)
  end)

  it("lets a program open its standard files by name", function()
    local ended = assert(process.run({ "sh", "-c", "cat /dev/stdin >/dev/stdout; echo e >/dev/stderr", stdin = "in" }))
    assert.same({ code = 0, stdout = "in", stderr = "e\n" }, ended)
  end)

  it("sets and removes variables of its environment and keeps the others", function()
    local ended = assert(process.run({
      "sh", "-c", "echo $PATH; echo $NEW; echo ${HOME-unset}; echo ${EMPTY-unset}",
      env = { NEW = "a=b c", HOME = false, EMPTY = "" },
    }))
    assert.equal(os.getenv("PATH") .. "\na=b c\nunset\n\n", ended.stdout)
  end)

  it("finds the program by the PATH that it is given", function()
    assert.equal("ENOENT", select(3, process.run({ "true", env = { PATH = "/nowhere" } })))
  end)

  it("starts in the folder it is told", function()
    assert.equal("/\n", assert(process.run({ "pwd", cwd = "/" })).stdout)
  end)

  it("says that a program is not there or may not be run", function()
    assert.same({ nil, "cannot run no-such-program: no such file or directory", "ENOENT" }, { process.run({ "no-such-program" }) })
    assert.same({ nil, "cannot run /etc/passwd: permission denied", "EACCES" }, { process.run({ "/etc/passwd" }) })
    assert.same({ nil, "cannot run /: permission denied", "EACCES" }, { process.run({ "/" }) })
    assert.same({ nil, "cannot run true in /nowhere: no such file or directory", "ENOENT" },
      { process.run({ "true", cwd = "/nowhere" }) })
  end)

  it("raises for a wrong call", function()
    for text, options in pairs({
      ["expected a command as the first of the list"] = {},
      ["argument 1: expected a string, found a table"] = { "true", {} },
      ['unknown option "timout"'] = { "true", timout = 1 },
      ["goes on with a zero byte"] = { "echo", "a\0b" },
      ['"/" goes on'] = { "true", cwd = "/\0tmp" },
      ['option "env": A: expected a value without zero bytes'] = { "true", env = { A = "b\0c" } },
      ['option "timeout": expected a number, found a string'] = { "true", timeout = "1" },
      ['option "cwd": expected a string, found a number'] = { "true", cwd = 1 },
      ['option "max_output": expected a number, found a string'] = { "true", max_output = "1 MB" },
      ['option "stdin": expected a string, found a table'] = { "true", stdin = {} },
      ['option "env": expected names of variables as keys, such as { HOME = "/" }, found the key 1'] = { "true", env = { "A=b" } },
      ['unknown option "stderr"'] = { "true", stderr = true },
    }) do
      local ok, message = pcall(process.run, options)
      assert.is_false(ok, text)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    assert.error_matches(function() process.run("true") end, "expected a table, found a string")
  end)

  it("ends a program that takes too long, and all that it started", function()
    local started = timer.now()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local ended, message, code = process.run({
      "sh", "-c", 'sleep 1000 & echo $! >"$0"; echo $$ >>"$0"; wait', path, timeout = 2,
    })
    assert.is_nil(ended)
    assert.equal("sh timed out after 2 s", message)
    assert.equal("ETIMEDOUT", code)
    assert.is_true(timer.now() - started < 30)
    local text = assert(fs.read(path))
    local count = 0
    for pid in text:gmatch("%d+") do
      assert.is_true(await_end(pid), pid)
      count = count + 1
    end
    assert.equal(2, count)
  end)

  it("kills a program that does not heed TERM two seconds later", function()
    local started = timer.now()
    local _, message = process.run({ "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", timeout = 1 })
    assert.equal("sh timed out after 1 s", message)
    local took = timer.now() - started
    assert.is_true(took >= 2.9 and took < 20, took)
  end)

  it("gives its own message before its scope's end", function()
    local _, message, code = task.timeout(8, process.run, { "sleep", "1000", timeout = 60 })
    local limit = tonumber(message:match("^sleep timed out after (%d[%d.]*) s, nine tenths of what its caller had left$"))
    assert(limit and limit > 6 and limit <= 7.2, message) -- nine tenths of what was left
    assert.equal("ETIMEDOUT", code)
  end)

  it("kills one that does not heed TERM early enough for that message", function()
    local _, message, code, printed = task.timeout(2, process.run, {
      "sh", "-c", "trap '' TERM; echo $$; echo busy >&2; while :; do sleep 0.05; done",
    })
    assert.equal("sh timed out after 1.8 s, nine tenths of what its caller had left", message)
    assert.same({ "ETIMEDOUT", "busy\n" }, { code, printed.stderr })
    assert.is_true(await_end(printed.stdout:match("%d+")))
  end)

  it("leaves one that heeds TERM some time to end", function()
    local _, _, code, printed = task.timeout(3, process.run, {
      "sh", "-c", "trap 'sleep 0.02; echo bye; exit' TERM; while :; do sleep 0.01; done",
    })
    assert.same({ "ETIMEDOUT", "bye\n" }, { code, printed.stdout })
  end)

  it("kills a program that prints too much, and says so", function()
    local ended, message, code = process.run({ "head", "-c", "1G", "/dev/zero" })
    assert.is_nil(ended)
    assert.equal("head printed more than 8 MB", message)
    assert.equal("EMSGSIZE", code)
    ended, message = process.run({ "sh", "-c", "yes >&2", max_output = 1024 })
    assert.is_nil(ended)
    assert.equal("sh printed more than 1024 bytes", message)
    assert.equal(1024, #assert(process.run({ "head", "-c", "1024", "/dev/zero", max_output = 1024 })).stdout)
  end)

  it("gives with the message what one that it ended had printed", function()
    for code, script in pairs({ ETIMEDOUT = "sleep 1000", EMSGSIZE = "yes" }) do
      local ended, _, found, printed = process.run({
        "sh", "-c", "echo out; echo err >&2; " .. script, timeout = 0.3, max_output = 1000000,
      })
      assert.same({ nil, code, "out\n", "err\n" }, { ended, found, printed.stdout:sub(1, 4), printed.stderr })
    end
    assert.is_nil((select(4, process.run({ "/no/such/program" }))))
  end)

  it("kills what a program leaves behind, and does not wait for it", function()
    local started = timer.now()
    local ended = run("sh", "-c", "sleep 1000 & echo $!")
    assert.same({ 0, nil }, { ended.code, ended.held })
    assert.is_true(await_end(ended.stdout:match("%d+")))
    assert.is_true(timer.now() - started < 30)
  end)

  it("does not wait long for one that left its group and holds the output", function()
    local started = timer.now()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local ended = run("sh", "-c", [[setsid sh -c 'echo $$ >"$0"; exec sleep 1000' "$0" & while [ ! -s "$0" ]; do sleep 0.01; done]], path)
    local pid = assert(fs.read(path)):match("%d+")
    assert.equal(0, ended.code)
    assert.is_true(is_running(pid))
    assert.is_true(timer.now() - started < 30)
    assert.is_true(ended.held)
    run("kill", "-KILL", pid)
  end)

  it("waits for the output that is held no longer than its caller can", function()
    local ended, message = task.timeout(2, process.run, { "sh", "-c", "setsid sleep 1000 & echo $!; sleep 1.3" })
    assert(ended, message)
    local pid = ended.stdout:match("%d+")
    assert.same({ 0, true }, { ended.code, ended.held })
    assert.is_true(is_running(pid))
    run("kill", "-KILL", pid)
  end)

  it("gives a program none of the engine's own files", function()
    local function sockets(folder)
      local found = {}
      for _, fd in ipairs(assert(fs.list(folder))) do
        local target = fs.readlink(folder .. "/" .. fd)
        if target then found[target] = true end
      end
      return found
    end
    local before = sockets("/proc/self/fd")
    local listener = assert(tcp.listen({ host = "127.0.0.1" }))
    local first = assert(process.start({ "cat", stdin = true }))
    local second = assert(process.start({ "cat", stdin = true }))
    local child, opened = sockets("/proc/" .. second.pid .. "/fd"), 0
    local own = { [fs.readlink("/proc/" .. second.pid .. "/fd/0")] = true, [fs.readlink("/proc/" .. second.pid .. "/fd/1")] = true }
    for target in pairs(sockets("/proc/self/fd")) do
      if not before[target] and not own[target] then
        opened = opened + 1
        assert.is_nil(child[target], target)
      end
    end
    assert.equal(3, opened) -- the listener and the first program's pipes
    first:close()
    second:close()
    listener:close()
  end)

  it("gives a program the limit of open files that the engine was started with, which takes more for itself", function()
    local folder = Folder.new()
    folder:write("limits.lua", [[
      local process = require("engine.process")
      for line in io.lines("/proc/self/limits") do
        if line:find("open files", 1, true) then print(line:match("(%d+) +(%d+)")) end
      end
      io.write(process.run({ "sh", "-c", "ulimit -Sn" }).stdout)
    ]])
    local binary = assert(fs.realpath("/proc/self/exe"))
    local result = process.run({ "sh", "-c", 'ulimit -Sn 123; exec "$@"', "sh", binary, "run", folder.path .. "/limits.lua" })
    local soft, hard, childs = result.stdout:match("^(%d+)\t(%d+)\n(%d+)\n$")
    assert.are.same({ hard, "123" }, { soft, childs })
    folder:remove()
  end)

  it("leaves no zombie and no descriptor", function()
    local function open_files() return #assert(fs.list("/proc/self/fd")) end
    run("true")
    local before = open_files()
    for _ = 1, 20 do
      run("true")
      process.run({ "no-such-program" })
      process.run({ "head", "-c", "9M", "/dev/zero" })
    end
    assert.equal(before, open_files())
    local own = assert(fs.read("/proc/self/stat")):match("^%d+")
    local children = assert(fs.read("/proc/self/task/" .. own .. "/children"))
    assert.equal("", children)
  end)

  it("runs many at once", function()
    local runs = {}
    for i = 1, 20 do
      runs[i] = function() return run("echo", i).stdout end
    end
    for i, printed in ipairs(task.all(runs)) do assert.equal(i .. "\n", printed) end
  end)
end)

describe("process.start", function()
  it("gives line after line as they are printed", function()
    local it = assert(process.start({ "sh", "-c", "read x; echo got $x; read x; echo then $x", stdin = true }))
    local lines = it:lines()
    assert.is_true(it:write("one\n"))
    assert.equal("got one", lines())
    assert.is_true(it:write("two\n"))
    assert.equal("then two", lines())
    assert.is_nil(lines())
    assert.is_nil(lines())
    assert.same({ code = 0 }, it:wait())
    assert.same({ code = 0 }, it:wait())
    it:close()
  end)

  it("cuts lines at their ends only", function()
    local long = ("x"):rep(200000)
    local it = assert(process.start({ "cat", stdin = "a\n\nb\r\n" .. long .. "\nlast" }))
    local lines = {}
    for line in it:lines() do lines[#lines + 1] = line end
    assert.same({ "a", "", "b\r", long, "last" }, lines)
    assert.same({ code = 0 }, it:wait())
    it:close()
  end)

  it("ends a program whose line does not end", function()
    for _, name in ipairs({ "lines", "newest" }) do
      local it = assert(process.start({ "cat", "/dev/zero" }))
      local next_line = it[name](it)
      assert.is_nil(next_line())
      assert.same({ nil, "cat printed a line of more than 8 MB", "EMSGSIZE" }, { it:wait() })
      for _ = 1, 3 do assert.is_nil(next_line()) end
      it:close()
    end
  end)

  it("gives of the lines that came meanwhile the newest that says something", function()
    local long = ("x"):rep(200000)
    for expected, text in pairs({
      [" b c"] = "a\n\n b c \t\r\n\n  \n", last = "a\nlast", [long] = "a\n" .. long .. "\n", ["y"] = "x" .. (" "):rep(1e6) .. "\ny",
    }) do
      local it, lines = assert(process.start({ "cat", stdin = text })), {}
      for line in it:newest() do lines[#lines + 1] = line end
      assert.equal(expected, lines[#lines])
      it:close()
    end
    local it = assert(process.start({ "cat", stdin = " \n\n \n" }))
    assert.is_nil(it:newest()())
    it:close()
  end)

  it("skips what it printed before that", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local it = assert(process.start({ "sh", "-c", 'echo 1; read x; seq 2 5000; echo >"$0"; read x; echo 5001', path, stdin = true }))
    local newest = it:newest()
    assert.equal("1", newest())
    it:write("\n")
    eventually(function() return fs.read(path) == "\n" end)
    assert.equal("5000", newest())
    it:write("\n")
    assert.equal("5001", newest())
    assert.is_nil(newest())
    it:close()
  end)

  it("gives its standard error apart where that is asked for", function()
    local it = assert(process.start({ "sh", "-c", "echo out; echo err >&2", stderr = true }))
    assert.equal("err\n", it.stderr:read())
    assert.equal("out", it:lines()())
    assert.is_nil((it.stderr:read()))
    it:close()
  end)

  it("holds up a program that prints what nobody reads", function()
    local it = assert(process.start({ "sh", "-c", "echo first; yes" }))
    assert.equal("first", it:lines()())
    task.sleep(0.1)
    assert.is_true(is_running(it.pid))
    it:close()
    assert.is_true(await_end(it.pid))
  end)

  it("holds no more than 64 kB of it", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local it = assert(process.start({
      "sh", "-c", [[while :; do dd if=/dev/zero bs=60k count=1 2>/dev/null; i=$((i + 1)); echo $i >"$0"; done]], path,
    }))
    local function count() return tonumber((fs.read(path) or ""):match("%d+")) or 0 end
    it.stdout:read(1)
    eventually(function() return count() >= 2 end)
    task.sleep(0.2)
    local written = count()
    it:close()
    assert.equal(2, written) -- the third 60 kB do not fit: the pipe has 64 kB, too
  end)

  it("ends standard input when it is told", function()
    local it = assert(process.start({ "wc", "-c", stdin = true }))
    it:write("12345")
    it:close_stdin()
    assert.equal("5", it:lines()())
    it:wait()
    it:close()
    assert.error_matches(function() assert(process.start({ "true" })):write("x") end, "start it with stdin = true")
  end)

  it("sends signals to the whole group, until it has ended", function()
    local it = assert(process.start({ "sh", "-c", "sleep 1000 & echo $!; wait" }))
    local other = it:lines()()
    assert.error_matches(function() it:kill("NOSUCH") end, 'no signal is called "NOSUCH": expected a name like "HUP"')
    assert.is_true(it:kill())
    assert.same({ signal = "TERM" }, it:wait())
    assert.is_true(await_end(other))
    assert.same({ nil, "the process has ended", "ESRCH" }, { it:kill("KILL") })
    it:close()
  end)

  it("kills the group with its scope", function()
    local scope = scopes.new()
    local it = scope:run(process.start, { "sh", "-c", "trap '' TERM; sleep 1000 & echo $!; wait" })
    local other = it:lines()()
    local waiting = task.spawn(it.wait, it)
    task.sleep(0)
    scope:close()
    assert.same({ nil, "closed", "ECANCELED" }, { waiting:wait() })
    assert.is_true(await_end(it.pid))
    assert.is_true(await_end(other))
  end)

  it("kills it when nobody has it any more", function()
    local pid = assert(process.start({ "sleep", "1000" })).pid
    for _ = 1, 3 do collectgarbage() end
    assert.is_true(await_end(pid))
  end)

  it("raises when two wait", function()
    local it = assert(process.start({ "sleep", "1000" }))
    local waiting = task.spawn(it.wait, it)
    task.sleep(0)
    assert.error_matches(function() it:wait() end, "another task waits for this process already")
    it:close()
    assert.same({ nil, "closed", "ECANCELED" }, { waiting:wait() })
  end)
end)

describe("process.check_environment", function()
  it("says what is wrong, but no value", function()
    assert.is_true(process.check_environment({ A = "b=c", B = 5, C = false, D = "" }))
    for message, env in pairs({
      ['expected names of variables as keys, such as { HOME = "/" }, found the key 1'] = { "A=secret" },
      ['expected names of variables as keys, such as { HOME = "/" }, found the key "A=b"'] = { ["A=b"] = "secret" },
      ['expected names of variables as keys, such as { HOME = "/" }, found the key ""'] = { [""] = "secret" },
      ['expected names of variables as keys, such as { HOME = "/" }, found the key a table'] = { [{}] = "secret" },
      ["A: expected a string, a number or false, found a table"] = { A = {} },
      ["A: expected a string, a number or false, found a boolean"] = { A = true },
      ["A: expected a value without zero bytes"] = { A = "sec\0ret" },
    }) do
      assert.same({ nil, message }, { process.check_environment(env) })
    end
  end)
end)

describe("process.signals", function()
  local function kill(name) run("sh", "-c", "kill -" .. name .. " $PPID") end

  it("gives the signals that come, in their order", function()
    local watcher = assert(process.signals("USR1", "HUP"))
    kill("HUP")
    kill("USR1")
    local names = watcher:each()
    assert.equal("HUP", names())
    assert.equal("USR1", names())
    local waiting = task.spawn(watcher.next, watcher)
    kill("USR1")
    assert.equal("USR1", waiting:wait())
    watcher:close()
  end)

  it("gives one that came often once", function()
    local watcher = assert(process.signals("USR1", "USR2"))
    for _ = 1, 3 do kill("USR1") end
    kill("USR2")
    assert.equal("USR1", watcher:next())
    assert.equal("USR2", watcher:next())
    watcher:close()
  end)

  it("wakes who waits when it is closed", function()
    local watcher = assert(process.signals("USR1"))
    local waiting = task.spawn(watcher.next, watcher)
    task.sleep(0)
    watcher:close()
    assert.same({ nil, "closed", "ECANCELED" }, { waiting:wait() })
    assert.same({ nil, "closed", "ECANCELED" }, { watcher:next() })
    assert.is_nil(watcher:each()())
  end)

  it("refuses what cannot be taken", function()
    assert.same({ nil, "cannot watch signal KILL: invalid argument", "EINVAL" }, { process.signals("USR1", "KILL") })
    assert.error_matches(function() process.signals("SIGHUP") end, 'no signal is called "SIGHUP"')
  end)
end)

describe("process", function()
  local function engine(script, notify_socket)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(script)
    file:close()
    local ended, message = process.run({
      "sh", "-c", 'exec /proc/$PPID/exe run "$0"', path, timeout = 60, env = { NOTIFY_SOCKET = notify_socket },
    })
    os.remove(path)
    return assert(ended, message)
  end

  it("exit_now ends the engine without a goodbye", function()
    local ended = engine([[
      require("engine.task").spawn(function() print("never") end)
      require("engine.process").exit_now(7)
    ]])
    assert.same({ 7, "" }, { ended.code, ended.stdout })
  end)

  it("notify says what is wrong with the service manager's socket, or that there is none", function()
    local script = [[
      local process = require("engine.process")
      print(process.notify("READY=1"))
      print(process.run({ "env" }).stdout:match("NOTIFY_SOCKET") or "taken out")
      print(pcall(process.notify, 1))
    ]]
    local wrong = "\nfalse\texpected a text, found a number\n"
    local function output(address) return engine(script, address).stdout end
    local absent = "nil\tcannot notify the service manager: no such file or directory\tENOENT\ntaken out" .. wrong
    assert.equal(absent, output(false))
    assert.equal(absent, output("/nowhere/at/all"))
    local refused = "nil\tcannot notify the service manager: connection refused\tECONNREFUSED\ntaken out" .. wrong
    assert.equal(refused, output("@nobody/at/all"))
    assert.matches("ENAMETOOLONG\n", output(("/long"):rep(30)), 1, true)
  end)

  it("kills its programs when the engine ends, and leaves at once", function()
    local started = timer.now()
    local ended = engine([[
      local it = require("engine.process").start({ "sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1; done" })
      print(it:lines()())
    ]])
    assert.is_true(await_end((ended.stdout:match("%d+"))))
    assert.is_true(timer.now() - started < 30)
    assert.equal(0, ended.code)
  end)
end)
