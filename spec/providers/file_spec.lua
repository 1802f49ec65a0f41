-- SPDX-License-Identifier: MIT
local Folder = require("support.folder")
local Source = require("support.source")
local process = require("engine.process")
local provider = require("providers.file")
local task = require("engine.task")
local timer = require("engine.timer")

describe("provider file", function()
  local folder, source

  before_each(function() folder = Folder.new() end)
  after_each(function()
    if source then source:stop() end
    source = nil
    folder:remove()
  end)

  local function start(options, more)
    options.path = folder.path .. "/" .. options.path
    source = Source.start(provider, options, more)
  end

  local function ask(options)
    start(options, { serves = false })
    return source:ask()
  end

  -- The message without the folder.
  local function fail(options)
    local list, message = ask(options)
    assert.is_nil(list)
    return (message:gsub(folder.path:gsub("%p", "%%%0") .. "/", ""))
  end

  it("finds the nodes of a file, in each format", function()
    folder:write("lines", "# ours\na@h\n10.0.0.2:80\n")
    folder:write("json", '{"items":[{"ip":"10.0.0.1"},{}]}')
    folder:write("prometheus", '[{"targets":["10.0.0.1:9100"]}]')
    folder:write("erlang", "'one.example.org'.\n")
    folder:write("hosts", "127.0.0.1 localhost\n10.0.0.9 nine\n")
    for format, expected in pairs({
      lines = "a@h app@10.0.0.2:80", json = "app@10.0.0.1", prometheus = "app@10.0.0.1:9100", erlang = "app@one.example.org",
      hosts = "app@10.0.0.9",
    }) do
      local select = format == "json" and "items[].ip" or nil
      assert.are.equal(expected, (ask({ path = format, format = format, app_name = "app", select = select })))
      source:stop()
    end
  end)

  it("takes names of nodes for targets, and needs app_name for hosts only", function()
    folder:write("targets.json", '[{"targets":["app@10.0.0.1:9100"]}]')
    assert.are.equal("app@10.0.0.1:9100", ask({ path = "targets.json", format = "prometheus" }))
    source:stop()
    folder:write("targets.json", '[{"targets":["10.0.0.1:9100"]}]')
    local list, message = ask({ path = "targets.json", format = "prometheus" })
    assert.is_nil(list)
    assert.is_truthy(message:find("set app_name, which makes app_name@10.0.0.1 of it", 1, true), message)
  end)

  it("cannot find out where there is no file, unless that means nobody", function()
    assert.are.equal("cannot read none: no such file or directory", fail({ path = "none" }))
    source:stop()
    assert.are.equal("", (ask({ path = "none", missing = "empty" })))
  end)

  it("cannot find out where a file is empty, as one is that is about to be written, also where none means nobody", function()
    folder:write("list", " \n")
    for _, missing in ipairs({ "error", "empty" }) do
      assert.are.equal("list: it is empty: expected nodes, or a comment where there are none", fail({ path = "list", missing = missing }))
      source:stop()
    end
    folder:write("list", "# nobody\n")
    assert.are.equal("", (ask({ path = "list" })))
  end)

  it("names file and line of what is wrong", function()
    folder:write("list", "a@h\nb c\n")
    assert.is_truthy(fail({ path = "list" }):find('^list: line 2: expected a node name like .* found "b c"'))
    source:stop()
    folder:write("list", '[\n"a@h",\n')
    assert.are.equal("list: line 3, column 1: expected a value, found the end", fail({ path = "list", format = "json" }))
    source:stop()
    folder:sh("mkdir folder")
    assert.are.equal("cannot read folder: it is a directory, expected a regular file", fail({ path = "folder" }))
  end)

  it("finds the nodes of all files that a pattern matches, hidden ones only where it says so", function()
    folder:write("b.txt", "b@h\n")
    folder:write("a.txt", "a@h\n")
    folder:write(".c.txt", "c@h\n")
    folder:write("a.txt~", "no node\n")
    folder:write("axtxt", "no node\n")
    assert.are.equal("a@h b@h", (ask({ path = "*.txt" })))
    source:stop()
    assert.are.equal("a@h", (ask({ path = "a.tx?" })))
    source:stop()
    assert.are.equal("c@h", (ask({ path = ".?.txt" })))
  end)

  it("cannot find out where a pattern matches nothing, or bad files only", function()
    assert.are.equal("*.txt: no file has such a name", fail({ path = "*.txt" }))
    source:stop()
    assert.are.equal("", (ask({ path = "none/*.txt", missing = "empty" })))
    source:stop()
    folder:write("b.txt", "b\n")
    assert.is_truthy(fail({ path = "*.txt" }):find("^b.txt: line 1: "))
  end)

  it("finds a part where some files of a pattern are bad, and names the first", function()
    folder:write("a.txt", "a@h\n")
    folder:write("b.txt", "b\n")
    folder:write("c.txt", "c@h\n")
    local list, message = ask({ path = "*.txt" })
    assert.are.equal("a@h c@h", list)
    assert.is_truthy(message:find("/b.txt: line 1: ", 1, true), message)
    source:stop()
    folder:write("d.txt", "")
    list, message = ask({ path = "*.txt" })
    assert.are.equal("a@h c@h", list)
    assert.is_truthy(message:find("/b.txt: line 1: .* %(and 1 more files%)$"), message)
  end)

  it("finds a part where a link that a pattern matches leads nowhere", function()
    folder:sh("echo a@h > a.txt; ln -s nowhere b.txt")
    for _, missing in ipairs({ "error", "empty" }) do
      local list, message = ask({ path = "*.txt", missing = missing })
      assert.are.equal("a@h", list)
      assert.is_truthy(message:find("/b.txt: no such file or directory", 1, true), message)
      source:stop()
    end
  end)

  it("passes over folders that match a pattern", function()
    folder:sh("mkdir -p d/lost+found; echo a@h > d/list")
    assert.are.same({ "a@h" }, { ask({ path = "d/*" }) })
    source:stop()
    folder:sh("rm d/list")
    assert.are.equal("d/*: no file has such a name", fail({ path = "d/*" }))
  end)

  it("waits for a file of a pattern that is gone for a moment, and not for one that stays away", function()
    folder:sh("echo a@h > a.txt; echo b@h > b.txt; touch -d '1 minute ago' *.txt")
    start({ path = "*.txt" }, { serves = false })
    assert.are.equal("a@h b@h", source:ask())
    local child = assert(process.start({ "sh", "-c", "rm a.txt; echo gone; sleep 0.05; echo c@h > a.txt; sleep 9", cwd = folder.path }))
    assert.are.equal("gone", child:lines()())
    assert.are.equal("c@h b@h", source:ask())
    child:close()
    folder:sh("rm a.txt")
    assert.are.same({ "b@h" }, { source:ask() })
    folder:sh("rm b.txt")
    assert.are.same({ n = 2, nil, folder.path .. "/*.txt: no file has such a name" }, { n = 2, source:ask() })
  end)

  it("takes 1,000 files of a pattern and no more", function()
    folder:sh("mkdir d; cd d; i=0; while [ $i -lt 1000 ]; do echo a$i@h > $i; i=$((i + 1)); done")
    local list, message = ask({ path = "d/*" })
    assert.is_nil(message)
    assert.are.equal(1000, select(2, list:gsub("@h", "")))
    source:stop()
    folder:write("d/more", "b@h\n")
    assert.are.equal("d/*: expected at most 1000 files, found 1001", fail({ path = "d/*" }))
  end)

  describe("of a file that is written in its place", function()
    -- A poll while a program writes the file; the poll begins when that has said so.
    local function ask_while(script, options)
      local child = assert(process.start({ "sh", "-c", script, cwd = folder.path }))
      local lines = child:lines()
      assert.are.equal("begun", lines())
      options.path = options.path or "list"
      local list, message = ask(options)
      child:close()
      return list, message
    end

    it("reads the whole, not what stands there meanwhile", function()
      assert.are.same({ "app@10.0.0.15 app@10.0.0.16 app@10.0.0.17" }, { ask_while(
        "printf 'app@10.0.0.15\\napp@10.0.0.1' > list; echo begun; sleep 0.25; printf '6\\napp@10.0.0.17\\n' >> list; sleep 9", {}) })
      source:stop()
      assert.are.same({ "a@h b@h c@h" }, { ask_while(
        "{ echo a@h; echo begun >&3; sleep 0.3; echo b@h; sleep 0.3; echo c@h; } 3>&1 > list; sleep 9", {}) })
    end)

    it("reads the whole in each format by lines", function()
      for format, line in pairs({ erlang = "'%s'.", hosts = "10.0.0.%s x" }) do
        assert.are.same({ format == "erlang" and "app@1 app@2" or "app@10.0.0.1 app@10.0.0.2" }, { ask_while(
          ("{ echo \"%s\"; echo begun >&3; sleep 0.3; echo \"%s\"; } 3>&1 > list; sleep 9"):format(line:format("1"), line:format("2")),
          { format = format, app_name = "app" }) })
        source:stop()
      end
    end)

    it("takes JSON sooner, of which half is none", function()
      folder:write("list", '["a@h"]')
      local started = timer.now()
      assert.are.same({ "a@h" }, { ask({ path = "list", format = "json" }) })
      assert.is_true(timer.now() - started < 0.4)
    end)

    it("does not say that there is nobody while it is removed before it is written", function()
      for _, path in ipairs({ "list", "l*" }) do
        assert.are.same({ "a@h" }, { ask_while("echo a@h > list; rm list; echo begun; sleep 0.05; echo a@h > list; sleep 9",
          { path = path, missing = "empty" }) })
        source:stop()
      end
    end)

    it("says what a timeout is too short for", function()
      folder:write("list", "a@h\n")
      start({ path = "list" }, { serves = false })
      assert.are.same({ nil, folder.path .. "/list: it was written just now, and the poll's timeout is too short to see it left alone"
        .. " for 0.5 s" }, { source:ask(0.4) })
    end)

    it("takes a last line without an end as it is, in time", function()
      folder:write("list", "a@h\nb@h")
      local started = timer.now()
      assert.are.same({ "a@h b@h" }, { ask({ path = "list" }) })
      assert.is_true(timer.now() - started < 1)
    end)

    it("cannot find out where that does not end", function()
      local started = timer.now()
      local list, message = ask_while("echo a@h > list; echo begun; while sleep 0.02; do echo b@h >> list; done", {})
      assert.is_nil(list)
      assert.is_truthy(message:find("/list: it is being written$"), message)
      assert.is_true(timer.now() - started < 4)
    end)

    it("does not wait where it was written long ago", function()
      folder:sh("echo a@h > list; touch -d '1 hour ago' list")
      start({ path = "list" }, { serves = false })
      local started = timer.now()
      for _ = 1, 20 do assert.are.equal("a@h", (source:ask())) end
      assert.is_true(timer.now() - started < 1)
    end)
  end)

  it("refuses a pattern for folders, and options that do not go together", function()
    for message, options in pairs({
      ["path: expected * and ? in the last name only, found /a/*/b"] = { path = "/a/*/b", format = "lines" },
      ['format = "hosts" lists hosts: app_name is required, the part before the "@"'] = { path = "/etc/hosts", format = "hosts" },
    }) do
      assert.are.same({ nil, message }, { provider.check(options) })
    end
  end)

  describe("asks for a poll", function()
    -- What is asked for at the start, and by what came before, does not count.
    local function settle()
      while task.timeout(0.3, source.wishes.pop, source.wishes) do end
    end
    local function start_and_settle(options)
      start(options)
      source:await_wish()
      settle()
    end

    local changes = {
      ["when the file is written in its place"] = function() folder:sh("printf 'b@h\\n' > list") end,
      ["when another is renamed onto it, as editors do"] = function() folder:write("list", "b@h\n") end,
      ["when the file goes and comes again"] = function() folder:sh("rm list; printf 'b@h\\n' > list") end,
    }
    for name, change in pairs(changes) do
      it(name, function()
        folder:write("list", "a@h\n")
        start_and_settle({ path = "list" })
        assert.are.equal("a@h", (source:ask()))
        change()
        source:await_wish()
        assert.are.equal("b@h", (source:ask()))
      end)
    end

    it("when Kubernetes swaps the link that the file is behind, time after time", function()
      folder:sh("mkdir v1; echo a@h > v1/list; ln -s v1 ..data; ln -s ..data/list list")
      start_and_settle({ path = "list" })
      for i, expected in ipairs({ "b@h", "c@h" }) do
        folder:sh(("mkdir v%d; echo %s > v%d/list; ln -s v%d ..new; mv -T ..new ..data; rm -r v%d"):format(i + 1, expected, i + 1,
          i + 1, i))
        source:await_wish()
        assert.are.equal(expected, (source:ask()))
        settle()
      end
    end)

    it("once for a change that the folder and the file tell of", function()
      folder:write("list", "a@h\n")
      start_and_settle({ path = "list" })
      folder:sh("printf 'b@h\\n' > list")
      source:await_wish()
      assert.is_nil((task.timeout(0.3, source.wishes.pop, source.wishes)))
    end)

    it("when the file is written by another of its names", function()
      folder:sh("mkdir there; echo a@h > there/list; ln there/list list")
      start_and_settle({ path = "list" })
      folder:sh("echo b@h > there/list")
      source:await_wish()
      assert.are.equal("b@h", (source:ask()))
    end)

    it("which waits no longer than from the change on", function()
      start_and_settle({ path = "*.txt" })
      folder:write("a.txt", "a@h\n")
      source:await_wish()
      task.sleep(0.5)
      local started = timer.now()
      assert.are.equal("a@h", (source:ask()))
      assert.is_true(timer.now() - started < 0.4)
    end)

    it("when another file matches the pattern, or one goes", function()
      folder:sh("mkdir d; echo a@h > d/1.txt")
      start_and_settle({ path = "d/*.txt" })
      folder:sh("echo b@h > d/2.txt")
      source:await_wish()
      assert.are.equal("a@h b@h", (source:ask()))
      settle()
      folder:sh("rm d/1.txt")
      source:await_wish()
      assert.are.equal("b@h", (source:ask()))
    end)

    it("when the folder comes that was not there", function()
      start_and_settle({ path = "d/list" })
      folder:sh("mkdir d; echo a@h > d/list")
      source:await_wish()
      assert.are.equal("a@h", (source:ask()))
    end)
  end)

  it("does not keep --once waiting", function()
    folder:write("list", "a@h\n")
    start({ path = "list" }, { passive = true })
    local started = timer.now()
    source.instance:await_news(30)
    assert.is_true(timer.now() - started < 10)
  end)
end)
