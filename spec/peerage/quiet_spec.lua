-- SPDX-License-Identifier: MIT
-- What is read of files that others write meanwhile.
local Folder = require("support.folder")
local call = require("peerage.call")
local process = require("engine.process")
local quiet = require("peerage.quiet")
local scopes = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local REST = 0.2 -- seconds
local PATIENCE = 4 -- seconds; it waits for 2

describe("the reader of files that are being written", function()
  local folder, path, scope, seen

  before_each(function()
    folder, scope = Folder.new(), scopes.new("engine")
    path, seen = folder.path .. "/list", {}
  end)
  after_each(function()
    scope:close()
    folder:remove()
  end)

  local function read(rest) return quiet.read({ path }, rest or REST, seen)[1] end

  -- Reads while a program goes on; it begins when that has said so.
  local function read_while(script, rest)
    local child = assert(process.start({ "sh", "-c", script, cwd = folder.path }))
    assert.are.equal("begun", child:lines()())
    local started = timer.now()
    local file = read(rest)
    child:close()
    return file, timer.now() - started
  end

  it("waits for who pauses for a shorter time, and not for who pauses for longer", function()
    local script = "printf 1 > list; echo begun; sleep 0.15; printf 2 >> list; sleep %s; printf 3 >> list; sleep 9"
    assert.are.equal("123", read_while(script:format(0.15), 0.5).text)
    assert.are.equal("12", read_while(script:format(2), 0.5).text)
  end)

  it("takes a file as it was when it is replaced whole again and again", function()
    local file, seconds = read_while([[
      i=100; echo $i > list; echo begun
      while sleep 0.03; do i=$((i + 1)); echo $i > new; mv new list; done]])
    assert.is_nil(file.message)
    assert.is_truthy(file.text:find("^%d%d%d\n$"), file.text)
    assert.is_true(tonumber(file.text) > 110, file.text)
    assert.is_true(seconds < PATIENCE)
  end)

  it("has no text of a file that is written in its place again and again", function()
    local file, seconds = read_while("echo 1 > list; echo begun; while sleep 0.03; do echo 2 >> list; done")
    assert.are.same({ message = path .. ": it is being written" }, { text = file.text, message = file.message, code = file.code })
    assert.is_true(seconds < PATIENCE)
  end)

  it("has no text of a file that was made anew, or replaced, and is written in its place since", function()
    local writing = "; sleep 0.1; %s while sleep 0.03; do echo 4 >> list; done"
    for _, anew in ipairs({ "rm list; touch other; ", "touch new; mv new list; " }) do
      local file = read_while("echo 1 > list; echo begun" .. writing:format(anew))
      assert.are.same({ message = path .. ": it is being written" }, { text = file.text, message = file.message })
    end
  end)

  it("believes no clock of a file server that is some seconds behind", function()
    assert.are.equal("123", read_while([[
      printf 1 > list; touch -d '3 seconds ago' list; echo begun
      sleep 0.1; printf 23 >> list; touch -d '3 seconds ago' list; sleep 9]]).text)
  end)

  it("does not wait for a file that was written long ago", function()
    folder:sh("echo 1 > list; touch -d '1 minute ago' list")
    local started = timer.now()
    assert.are.equal("1\n", read(60).text)
    assert.is_true(timer.now() - started < 1)
  end)

  it("does not wait again for a file that is as it was, and does for one that is not", function()
    folder:write("list", "1")
    assert.are.equal("1", read(0.5).text)
    local started = timer.now()
    for _ = 1, 10 do assert.are.equal("1", read(0.5).text) end
    assert.is_true(timer.now() - started < 0.5)
    assert.are.equal("123", read_while("printf 12 > list; echo begun; sleep 0.3; printf 3 >> list; sleep 9", 0.5).text)
  end)

  it("counts the time since a look", function()
    folder:write("list", "1")
    quiet.look({ path }, seen)
    task.sleep(0.5)
    local started = timer.now()
    assert.are.equal("1", read(0.5).text)
    assert.is_true(timer.now() - started < 0.3)
  end)

  it("takes what replaced a file since the last time for no proof that it is replaced whole", function()
    folder:write("list", "1")
    read()
    folder:write("list", "2")
    assert.are.equal(path .. ": it is being written",
      read_while("printf 3 >> list; echo begun; while sleep 0.03; do echo 4 >> list; done").message)
  end)

  it("keeps nothing of files that nobody asks for", function()
    read()
    quiet.read({ folder.path .. "/other" }, REST, seen)
    assert.is_nil(seen[path])
  end)

  it("looks again before it says that a file is missing", function()
    assert.are.equal("ENOENT", read().code)
    task.sleep(0.2)
    assert.are.equal("1\n", read_while("echo begun; sleep 0.05; echo 1 > list; sleep 9").text)
  end)

  it("says at once why what is no file cannot be read", function()
    folder:sh("mkdir list")
    local started = timer.now()
    assert.are.equal("EISDIR", read(60).code)
    assert.is_true(timer.now() - started < 1)
  end)

  describe("whose caller has less time", function()
    local function read_within(seconds)
      local ok, file = call.run(scope, seconds, read, 0.5)
      assert.is_true(ok)
      assert.is_nil(file.text)
      assert.is_nil(file.code)
      return (file.message:gsub("^.*/", ""))
    end

    it("says that it is too short", function()
      folder:write("list", "1")
      assert.are.equal(
        "list: it was written just now, and the poll's timeout is too short to see it left alone for 0.5 s", read_within(0.3))
    end)

    it("does not say that there is no file", function()
      assert.are.equal(
        "list: no such file now, and the poll's timeout is too short to see whether it comes back", read_within(0.08))
    end)
  end)
end)
