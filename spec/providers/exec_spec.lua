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
    assert.are.same({ nil, "sh ended with status 3: first\nlast" }, { ask(sh("echo a@h; echo first >&2; echo last >&2; exit 3")) })
    assert.are.same({ nil, "sh was ended by the signal KILL" }, { ask(sh("echo a@h; kill -9 $$")) })
    local _, message = ask(sh("seq 10000 >&2; echo the end >&2; exit 1"))
    assert.is_truthy(message:find("^sh ended with status 1: ….*\n10000\nthe end$"), message)
    assert.is_true(#message < 600)
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

  it("ends one that ignores SIGTERM with the poll, at the latest", function()
    local list, message = ask(sh("echo $$ > pid; trap '' TERM; while :; do sleep 0.05; done"), 1)
    assert.is_nil(list)
    assert.is_truthy(message:find("timed out", 1, true), message)
    local pid = fs.read(folder.path .. "/pid"):match("%d+")
    eventually(function() return not is_running(pid) end)
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
      ["env: expected names of variables as keys"] = { command = { "a" }, env = { "x" } },
      ["env: A: expected a string, a number or false"] = { command = { "a" }, env = { A = {} } },
      ['stream is for one list of JSON a line: expected format "json" or "prometheus", found "lines"'] =
        { command = { "a" }, stream = true, format = "lines" },
      ['select is for format = "json", found format = "lines"'] = { command = { "a" }, select = "[]" },
      ["options: command: expected a list of at least 1 item, found 0 items"] = { command = {} },
      ["options: command: expected a list of at least 1 item, found \"ls -l\""] = { command = "ls -l" },
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
      assert.are.same({ nil, "sh has printed no list yet" }, { source:ask() })
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
      stream([[echo run >> runs; [ $(wc -l < runs) = 1 ] && { echo '["a@h"]'; exit 4; }; echo '["b@h"]'; sleep 1000]])
      hearing:expect("serve() failed: sh ended with status 4")
      eventually(function()
        source:ask()
        return source:ask() == "b@h"
      end)
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
      hearing:expect("serve() failed: cannot run ./none: no such file or directory")
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
