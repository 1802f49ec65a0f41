-- SPDX-License-Identifier: MIT
local Folder = require("support.folder")
local Hearing = require("support.hearing")
local Source = require("support.source")
local eventually = require("support.eventually")
local fs = require("engine.fs")
local process = require("engine.process")
local provider = require("providers.exec")
local supervisor = require("peerage.supervisor")
local timer = require("engine.timer")

describe("provider exec", function()
  local folder, source

  before_each(function() folder = Folder.new() end)
  after_each(function()
    if source then source:stop() end
    source = nil
    folder:remove()
  end)

  local function start(options)
    options.cwd = options.cwd or folder.path
    source = Source.start(provider, options)
  end

  local function ask(options, seconds)
    if source then source:stop() end
    start(options)
    return source:ask(seconds)
  end

  local function sh(text, more)
    local options = { command = { "sh", "-c", text } }
    for key, value in pairs(more or {}) do options[key] = value end
    return options
  end

  local function is_running(pid) return fs.stat("/proc/" .. pid) ~= nil end

  it("finds what a program prints", function()
    assert.are.equal("a@h b@h:80", (ask({ command = { "printf", "a@h\\n# others\\nb@h:%d\\n", 80 } })))
    assert.are.equal("app@10.0.0.1", (ask({
      command = { "echo", '{"items":[{"ip":"10.0.0.1"},{}]}' }, format = "json", select = "items[].ip", app_name = "app",
    })))
  end)

  it("runs in its folder, with variables of its own, and without a shell", function()
    folder:sh("printf '#!/bin/sh\\necho $NAME@$(basename $PWD)-$#${HOME:+-home}\\n' > homies.sh; chmod +x homies.sh")
    assert.are.equal("x@" .. folder.path:match("[^/]*$") .. "-1", (ask({
      command = { "./homies.sh", "$(touch no) > no" }, env = { NAME = "x", HOME = false },
    })))
    assert.is_nil((fs.stat(folder.path .. "/no")))
  end)

  it("cannot find out where nothing is printed, unless that means nobody", function()
    assert.are.same({ nil, "command printed nothing" }, { ask({ command = { "true" } }) })
    assert.are.same({ nil, "command printed nothing" }, { ask({ command = { "echo" } }) })
    assert.are.same({ nil, "command printed nothing: curl: (22) not found" }, { ask(sh("echo 'curl: (22) not found' >&2 | cat")) })
    assert.are.equal("", (ask({ command = { "true" }, empty = true })))
    assert.are.equal("", (ask({ command = { "true" }, empty = true, format = "json" })))
    assert.are.equal("", (ask({ command = { "echo", "[]" }, format = "json" })))
  end)

  it("says how it ended, and the end of what it said of that", function()
    assert.are.same({ nil, "sh ended with status 3: first | last" }, { ask(sh("echo a@h; echo first >&2; echo last >&2; exit 3")) })
    assert.are.same({ nil, "sh was ended by the signal KILL" }, { ask(sh("echo a@h; kill -9 $$")) })
    local _, message = ask(sh("seq 10000 >&2; echo the end >&2; exit 1"))
    assert.is_truthy(message:find("^sh ended with status 1: ….* | 10000 | the end$"), message)
    assert.is_true(#message < 1100)
  end)

  it("is not held up by what that has many blanks of", function()
    local started = os.clock()
    assert.are.same({ nil, "sh ended with status 1: …y" }, { ask(sh("printf 'x%1000000sy' '' >&2; exit 1")) })
    assert.is_true(os.clock() - started < 1)
  end)

  it("says why there is no program", function()
    assert.are.same({ nil, "cannot run ./none: no such file or directory" }, { ask({ command = { "./none" } }) })
    folder:write("text", "a@h\n")
    assert.are.same({ nil, "cannot run ./text: permission denied" }, { ask({ command = { "./text" } }) })
    folder:sh("printf '#!/none/sh\\n' > script; cp /bin/true nodes; chmod +x script nodes")
    for _, name in ipairs({ "./script", folder.path .. "/script" }) do
      assert.are.same({ nil, ("cannot run %s: no such file or directory: the file is there, but not the interpreter that it names")
        :format(name) }, { ask({ command = { name } }) })
    end
    assert.are.same({ nil, "cannot run nodes: no such file or directory: did you mean ./nodes?" }, { ask({ command = { "nodes" } }) })
    local _, message = ask({ command = { "true" }, cwd = folder.path .. "/none" })
    assert.is_truthy(message:find("no such file or directory", 1, true), message)
  end)

  it("says where what it printed is wrong", function()
    local _, message = ask({ command = { "printf", "a@h\\nb c\\n" } })
    assert.is_truthy(message:find('^printf: line 2: expected a node name .* found "b c"'), message)
    assert.are.same({ nil, "echo: expected a list, found an object: select says where the list is" },
      { ask({ command = { "echo", "{}" }, format = "json" }) })
  end)

  it("ends one that takes too long, with all that it started, and says what it said", function()
    local started = timer.now()
    local list, message = ask(sh("echo $$ > pid; echo busy >&2; sleep 1000 & echo $! >> pid; wait", { timeout = 0.3 }))
    assert.is_nil(list)
    assert.are.equal("sh timed out after 0.3 s: busy", message)
    assert.is_true(timer.now() - started < 4)
    for pid in fs.read(folder.path .. "/pid"):gmatch("%d+") do eventually(function() return not is_running(pid) end) end
  end)

  it("ends one that ignores SIGTERM before the poll is over, and says what it said", function()
    local list, message = ask(sh("echo $$ > pid; trap '' TERM; echo busy >&2; while :; do sleep 0.05; done"), 2)
    assert.is_nil(list)
    assert.are.equal("sh timed out after 1.8 s, nine tenths of what its caller had left: busy", message)
    local pid = fs.read(folder.path .. "/pid"):match("%d+")
    eventually(function() return not is_running(pid) end)
  end)

  it("says whose time it was that a program took too long for", function()
    local _, message = ask({ command = { "sleep", "1000" }, timeout = 60 }, 0.5)
    assert.are.equal("sleep timed out after 0.45 s, nine tenths of what its caller had left", message)
  end)

  it("warns once of one that leaves a process that holds its output", function()
    local hearing = Hearing.start()
    finally(function() hearing:stop() end)
    folder:write("left", "")
    folder:write("leave.sh", [[
before=$(cat left | wc -l)
setsid sh -c 'echo $$ >> left; exec sleep 1000' &
while [ $(cat left | wc -l) = $before ]; do sleep 0.01; done
echo a@h
]])
    for round = 1, 2 do
      start({ command = { "sh", "leave.sh" } })
      assert.are.equal("a@h", (source:ask()))
      if round == 1 then assert.are.equal("a@h", (source:ask())) end
      assert.are.equal(round, hearing:count("sh leaves a process that holds its output: each poll waits up to a second for that"))
      source:stop()
    end
    for pid in fs.read(folder.path .. "/left"):gmatch("%d+") do folder:sh("kill " .. pid) end
  end)

  it("has the list of one that leaves such a process shortly before the poll is over", function()
    local hearing = Hearing.start()
    finally(function() hearing:stop() end)
    start(sh("setsid sleep 1000 & echo $! > left; echo a@h; sleep 1.3"))
    local list, message = source:ask(2)
    assert.are.equal("a@h", list, message)
    hearing:expect("sh leaves a process that holds its output: each poll waits up to a second for that")
    folder:sh("kill $(cat left)")
  end)

  it("ends one that prints without end", function()
    local list, message = ask(sh("echo much >&2; yes", { max_output = 100000 }))
    assert.is_nil(list)
    assert.are.equal("sh printed more than 100000 bytes: much", message)
  end)

  it("does not wait for what a program leaves behind", function()
    local list = ask(sh("echo a@h; sleep 1000 & echo $! > pid"))
    assert.are.equal("a@h", list)
    local pid = fs.read(folder.path .. "/pid"):match("%d+")
    eventually(function() return not is_running(pid) end)
  end)

  it("refuses what cannot be run, and options that do not go together", function()
    for message, options in pairs({
      ["command: argument 0: it is empty, or holds a zero byte"] = { command = { "" } },
      ["command: argument 1: it is empty, or holds a zero byte"] = { command = { "a", "b\0c" } },
      ['env: expected names of variables as keys, such as { HOME = "/" }, found the key 1'] = { command = { "a" }, env = { "x=1" } },
      ["env: A: expected a string, a number or false, found a table"] = { command = { "a" }, env = { A = {} } },
      ['stream is for one list of JSON a line: expected format "json" or "prometheus", found "lines"'] =
        { command = { "a" }, stream = true, format = "lines" },
      ['select is for format = "json", found format = "lines"'] = { command = { "a" }, select = "[]" },
      ["options: command: expected a list of at least 1 item, found 0 items"] = { command = {} },
      ['options: command: expected a list of at least 1 item, found "./homies.sh --all": write { "./homies.sh", "--all" }'] =
        { command = "./homies.sh --all" },
      ["timeout: is not for stream, whose program stays up: leave it out"] = { command = { "a" }, stream = true, timeout = 1 },
      ["max_output: is not for stream, whose program stays up: leave it out"] = { command = { "a" }, stream = true, max_output = 1 },
      ["empty: is not for stream, whose program stays up: leave it out"] = { command = { "a" }, stream = true, empty = false },
    }) do
      local ok, found = pcall(Source.options, provider, options)
      assert.is_false(ok)
      assert.are.equal(message, found)
    end
  end)

  describe("with stream", function()
    local hearing, delays

    before_each(function()
      hearing, delays = Hearing.start(), supervisor.DELAYS
      supervisor.DELAYS = { first = 0.01, max = 0.01 }
    end)
    after_each(function()
      supervisor.DELAYS = delays
      hearing:stop()
    end)

    local function stream(text, more)
      more = more or {}
      more.stream = true
      start(sh(text, more))
    end

    it("takes each line for the whole list", function()
      folder:sh("mkfifo in")
      stream("while read line; do echo \"$line\"; done < in")
      eventually(function() return select(2, source:ask()) == "sh has printed no list yet (a line counts once it is flushed)" end)
      local writer = process.start({ "sh", "-c", "cat > in", cwd = folder.path, stdin = true })
      for line, expected in pairs({ ['["a@h","b@h"]'] = "a@h b@h", ['["b@h"]'] = "b@h", ["[]"] = "" }) do
        writer:write(line .. "\n")
        source:await_update()
        assert.are.equal(expected, (source:ask()))
        assert.are.equal(expected, (source:ask())) -- by poll(), as update() said
      end
      writer:write("\n[\n")
      source:await_update()
      assert.are.same({ nil, "sh: a line that it printed: line 1, column 2: expected a value, found the end" }, { source:ask() })
      writer:close()
    end)

    it("says that its list is old when it ends, and starts it again", function()
      supervisor.DELAYS = { first = 0.5, max = 0.5 }
      stream([[echo run >> runs; [ $(wc -l < runs) = 1 ] && { echo '["a@h"]'; exit 4; }; echo '["b@h"]'; sleep 1000]])
      source:await_update()
      source:await_update()
      assert.are.same({ nil, "sh ended with status 4" }, { source:ask() })
      eventually(function()
        source:ask()
        return source:ask() == "b@h"
      end)
      assert.are.equal(0, hearing:count("sh ended")) -- since the poll says it, once
    end)

    it("says of one that was started again nothing of how it ended", function()
      stream("echo boom >&2; echo run >> runs; [ $(wc -l < runs) = 1 ] && exit 3; sleep 1000")
      source:await_update()
      eventually(function()
        return select(2, source:ask()) == "sh has printed no list yet (a line counts once it is flushed)"
      end)
    end)

    it("says what was wrong with the last line when it ends thereafter, and the end of what it said", function()
      stream("echo gone >&2; echo 1")
      eventually(function()
        return select(2, source:ask()) ==
          "sh: a line that it printed: expected a list, found a number (1): select says where the list is; sh ended with status 0: gone"
      end)
      source:stop()
      stream([[echo 1; sleep 0.3; echo '["a@h"]'; sleep 0.3]])
      eventually(function() return select(2, source:ask()) == "sh ended with status 0" end)
    end)

    it("logs what it says, line by line", function()
      stream([[echo '{"level":"info"}' >&2; sleep 0.1; printf 'a\033[31mb\n\n' >&2; sleep 0.1; seq 1000 >&2; printf last >&2]])
      local said = hearing:expect('sh: {"level":"info"}')
      assert.are.same({ "info", "provider source" }, { said.level, said.source })
      hearing:expect("sh: a\27[31mb") -- which the log escapes
      hearing:expect("sh: 1")
      hearing:expect("sh: 982 more lines")
    end)

    it("holds up one that prints without end, and has its newest list all the same", function()
      stream("yes '[\"a@h\"]'")
      source:await_update()
      local cpu, updates, started = os.clock(), 0, timer.now()
      while timer.now() - started < 1 do
        source:await_update()
        updates = updates + 1
      end
      assert.is_true(os.clock() - cpu < 0.3)
      assert.is_true(updates <= 12)
      source:stop()
      stream([[yes '["a@h"]' | head -n 100000; echo '["last@h"]'; sleep 1000]])
      eventually(function() return source:ask() == "last@h" end)
    end)

    it("holds up one that says something without end", function()
      stream("yes >&2")
      hearing:expect("more lines")
      local cpu, lines, started = os.clock(), #hearing.said, timer.now()
      hearing:expect("more lines")
      assert.is_true(os.clock() - cpu < 0.3 * (timer.now() - started) + 0.1)
      assert.is_true(#hearing.said - lines <= 21)
    end)

    it("ends when the program has, whoever holds its output", function()
      stream([[
        setsid sh -c 'echo $$ > left; exec sleep 1000' &
        while [ ! -s left ]; do sleep 0.01; done; echo '["a@h"]'; exit 5
      ]])
      hearing:expect("sh left a process that holds its output")
      eventually(function() return select(2, source:ask()) == "sh ended with status 5" end)
      source:stop()
      folder:sh("kill $(cat left)")
    end)

    it("ends one that lives on without its output, and starts it again", function()
      stream([[echo $$ >> pids; echo '["a@h"]'; exec >&-; sleep 1000]])
      eventually(function() return select(2, source:ask()) == "sh closed its output" end)
      local pid = fs.read(folder.path .. "/pids"):match("%d+")
      eventually(function() return not is_running(pid) end)
      eventually(function() return source:ask() == "a@h" end)
    end)

    it("gives one that closes its output before it ends the time for that", function()
      stream([[echo '["a@h"]'; exec >&-; sleep 0.2; exit 6]])
      eventually(function() return select(2, source:ask()) == "sh ended with status 6" end)
    end)

    it("has the newest list soon after many long ones", function()
      local list = {}
      for i = 1, 4000 do list[i] = ('"n%d@host.example"'):format(i) end
      folder:write("long", "[" .. table.concat(list, ",") .. "]\n")
      stream([[i=0; while [ $i -lt 40 ]; do cat long; i=$((i + 1)); done; echo '["last@h"]'; sleep 1000]])
      source:await_update()
      local updates, started = 1, timer.now()
      while source:ask() ~= "last@h" do
        source:await_update()
        updates = updates + 1
      end
      assert.is_true(updates <= 10, updates .. " updates")
      assert.is_true(timer.now() - started < 3)
    end)

    it("says where serve() is not to run that this is why", function()
      source = Source.start(provider, sh("echo '[]'", { stream = true }), { serves = false })
      assert.are.same({ nil, "sh is not started yet, nor will it be with serves = false" }, { source:ask() })
    end)

    it("ends the program with itself", function()
      stream("echo $$ > pid; echo '[]'; sleep 1000")
      source:await_update()
      local pid = fs.read(folder.path .. "/pid"):match("%d+")
      assert.is_true(is_running(pid))
      source:stop()
      eventually(function() return not is_running(pid) end)
    end)

    it("says why there is no program", function()
      start({ command = { "./none" }, stream = true })
      source:await_update()
      assert.are.same({ nil, "cannot run ./none: no such file or directory" }, { source:ask() })
    end)
  end)

  it("without stream does not keep --once waiting", function()
    start({ command = { "true" } })
    local started = timer.now()
    source.instance:await_news(30)
    assert.is_true(timer.now() - started < 10)
  end)
end)
