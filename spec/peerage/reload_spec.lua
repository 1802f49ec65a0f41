-- SPDX-License-Identifier: MIT
-- Which changes of files are reported, and which looks cost nothing.
local Folder = require("support.folder")
local Hearing = require("support.hearing")
local Reload = require("peerage.reload")
local eventually = require("support.eventually")
local scopes = require("engine.scope")
local task = require("engine.task")

local PATIENCE = require("support.patience")

describe("the look for changed files", function()
  local folder, scope, hearing, files, changes

  before_each(function()
    folder, scope, hearing = Folder.new(), scopes.new("engine"), Hearing.start()
    files, changes = {}, task.queue()
  end)
  after_each(function()
    scope:close()
    hearing:stop()
    folder:remove()
  end)

  local function use(name, text)
    local path = folder.path .. "/" .. name
    if text then folder:write(name, text) end
    files[path] = text or false
    return path
  end

  local function start(is_watching)
    local reload = Reload.start(scope, is_watching, function() return files end, function(changed) changes:push(changed) end)
    task.sleep(0.1) -- its first look, which reports nothing
    return reload
  end

  local function next_change() return (task.timeout(PATIENCE, changes.pop, changes)) end

  it("reports a content once, whatever the time of the file", function()
    local path = use("a.lua", "one")
    local reload = start(false)
    folder:write("a.lua", "two")
    reload:now()
    assert.same({ [path] = true }, next_change())
    folder:sh("touch a.lua")
    reload:now()
    folder:write("a.lua", "three")
    reload:now()
    assert.same({ [path] = true }, next_change())
    task.sleep(0.05)
    assert.equal(0, changes:count())
  end)

  it("reports a file that was looked for in vain when it comes, and says of none that it is gone", function()
    local path = use("names.lua")
    start(true)
    folder:write("names.lua", "return {}")
    assert.same({ [path] = true }, next_change())
    assert.equal(0, #hearing.said)
  end)

  it("says once that a loaded file is gone, and reports it when it is back with another text", function()
    local path = use("a.lua", "one")
    local reload = start(false)
    folder:sh("rm a.lua")
    reload:now()
    hearing:expect("is gone")
    reload:now()
    folder:write("a.lua", "two")
    reload:now()
    assert.same({ [path] = true }, next_change())
    assert.equal(1, hearing:count("is gone"))
  end)

  it("does not call a file gone that is there and cannot be read", function()
    use("a.lua", "one")
    local reload = start(false)
    folder:sh("rm a.lua; mkdir a.lua")
    reload:now()
    hearing:expect("a loaded file cannot be read now, its last version keeps running")
    folder:sh("rmdir a.lua")
    reload:now()
    hearing:expect("is gone")
    assert.equal(2, #hearing.said)
  end)

  it("reports a file again that it was told to forget, though it was just looking", function()
    local path = use("a.lua", "one")
    local reload
    reload = Reload.start(scope, false, function() return files end, function(changed)
      if changes:count() == 0 then reload:forget(path) end
      files[path] = "two"
      changes:push(changed)
    end)
    task.sleep(0.1)
    folder:write("a.lua", "two")
    reload:now()
    while changes:count() == 0 do task.sleep(0.005) end
    reload:now()
    eventually(function() return changes:count() == 2 end)
    reload:now()
    task.sleep(0.1)
    assert.equal(2, changes:count())
  end)

  it("at a poll sees a file that no watch has seen, in use only", function()
    local a, b = use("a.lua", "one"), use("b.lua", "one")
    local reload = start(true)
    reload.watcher:set({})
    folder:write("a.lua", "two")
    reload:glance()
    assert.same({ [a] = true }, next_change())
    files[b] = nil
    reload:check()
    reload:check()
    reload.wake = task.queue(1) -- nobody pops from it
    folder:write("b.lua", "two")
    reload:glance()
    task.sleep(0.05)
    assert.equal(0, reload.wake:count())
  end)

  it("does not glance where it does not watch", function()
    use("a.lua", "one")
    local reload = start(false)
    reload.wake = task.queue(1)
    folder:write("a.lua", "two")
    reload:glance()
    task.sleep(0.05)
    assert.equal(0, reload.wake:count())
  end)
end)
