-- SPDX-License-Identifier: MIT
-- What wakes a watcher of paths, and what does not.
local Folder = require("support.folder")
local Hearing = require("support.hearing")
local Watcher = require("peerage.watcher")
local fs = require("engine.fs")
local scopes = require("engine.scope")
local task = require("engine.task")

local PATIENCE, QUIET = 5, 0.1 -- seconds

describe("a watcher of paths", function()
  local folder, scope, events, watcher

  before_each(function()
    folder, scope, events = Folder.new(), scopes.new("engine"), task.queue(1)
    watcher = Watcher.new(scope, function() events:push(true) end)
  end)
  after_each(function()
    scope:close()
    folder:remove()
  end)

  local function is_woken(seconds) return task.timeout(seconds, events.pop, events) == true end
  local function settle() while is_woken(QUIET) do end end

  for what, case in pairs({
    ["a save"] = { "true", "echo x > a.lua" },
    ["a rename over it"] = { "echo x > a.lua", "echo y > b && mv b a.lua" },
    ["a link that is swapped on the way"] = {
      "mkdir v1 v2; ln -s v1 current; ln -s current/a.lua a.lua", "ln -s v2 new && mv -T new current",
    },
    ["a folder that comes"] = { "true", "mkdir deep", path = "deep/er/a.lua" },
    ["a folder that goes"] = { "mkdir deep", "rm -r deep", path = "deep/a.lua" },
    ["a save by another of the file's names"] = { "mkdir b; echo x > a.lua; ln a.lua b/list", "echo y > b/list" },
    ["such a save of what a link leads to"] = { "mkdir b; echo x > b/c; ln -s b/c a.lua; ln b/c d", "echo y > d" },
  }) do
    it("is woken by " .. what, function()
      folder:sh(case[1])
      watcher:set({ folder.path .. "/" .. (case.path or "a.lua") })
      settle()
      folder:sh(case[2])
      assert.is_true(is_woken(PATIENCE))
    end)
  end

  it("sleeps through what happens beside its files, and to those it watches no more", function()
    folder:sh("mkdir sub; echo x > sub/b.lua")
    watcher:set({ folder.path .. "/a.lua", folder.path .. "/sub/b.lua" })
    watcher:set({ folder.path .. "/a.lua" })
    settle()
    folder:sh("echo y > sub/b.lua; echo y > other.lua")
    assert.is_false(is_woken(QUIET))
    folder:sh("echo y > a.lua")
    assert.is_true(is_woken(PATIENCE))
  end)

  it("follows its path when a folder above the file's own is replaced", function()
    folder:sh("mkdir -p a/b new/b; echo x > a/b/list; echo y > new/b/list")
    local paths = { folder.path .. "/a/b/list" }
    watcher:set(paths)
    settle()
    folder:sh("mv a old; mv new a")
    assert.is_true(is_woken(PATIENCE))
    watcher:set(paths)
    settle()
    watcher:set(paths)
    assert.is_false(is_woken(QUIET))
    folder:sh("echo z > old/b/list")
    assert.is_false(is_woken(QUIET))
    folder:sh("echo z > a/b/list")
    assert.is_true(is_woken(PATIENCE))
  end)

  for what, replace in pairs({
    ["a rename"] = "mkdir -p b; echo y > new; ln new b/new; mv new a.lua; rm b/list; mv b/new b/list",
    ["a file of that name, later"] = "rm a.lua b/list; sleep 0.3; echo y > a.lua; ln a.lua b/list",
    ["a file of that name, at once"] = "mv a.lua a.lua~; rm b/list; echo y > a.lua; ln a.lua b/list",
  }) do
    it("follows to the file itself that took the old one's place by " .. what, function()
      local paths = { folder.path .. "/a.lua" }
      folder:sh("mkdir b; echo x > a.lua; ln a.lua b/list; ln a.lua b/old")
      watcher:set(paths)
      folder:sh(replace)
      assert.is_true(is_woken(PATIENCE))
      settle()
      watcher:set(paths)
      assert.is_false(is_woken(QUIET))
      folder:sh("echo z > b/old")
      assert.is_false(is_woken(QUIET))
      folder:sh("echo z > b/list")
      assert.is_true(is_woken(PATIENCE))
    end)
  end

  it("watches the files themselves where there are few, and sleeps through what others of their names say", function()
    folder:sh("mkdir b; for i in $(seq 1 65); do echo x > $i; ln $i b/$i; done")
    local paths = {}
    for i = 1, 65 do paths[i] = folder.path .. "/" .. i end
    watcher:set(paths)
    settle()
    folder:sh("echo y > b/7")
    assert.is_false(is_woken(QUIET))
    folder:sh("echo y > 7")
    assert.is_true(is_woken(PATIENCE))
    paths[65] = nil
    watcher:set(paths)
    settle()
    folder:sh("echo y > b/7")
    assert.is_true(is_woken(PATIENCE))
  end)

  it("warns of a folder that cannot be watched, and not of a file", function()
    local path, watch, hearing = folder:write("a.lua", "x"), fs.watch, Hearing.start()
    finally(function()
      fs.watch = watch
      hearing:stop()
    end)
    local function refuse(refused)
      fs.watch = function(which)
        if which == refused then return nil, "cannot watch " .. which .. ": no", "ENOSPC" end
        return watch(which)
      end
      watcher:set({})
      watcher:set({ path })
    end
    refuse(path)
    settle()
    assert.same({}, hearing.said)
    folder:sh("echo y > a.lua")
    assert.is_true(is_woken(PATIENCE))
    refuse(folder.path)
    hearing:expect("changes are noticed late, at a poll: cannot watch " .. folder.path .. ": no")
    settle()
    folder:sh("echo z > a.lua")
    assert.is_true(is_woken(PATIENCE))
  end)

  it("watches one file by two of its names, and goes on when it is one", function()
    folder:sh("mkdir b; echo x > a; ln a b/b; ln a c")
    watcher:set({ folder.path .. "/a", folder.path .. "/b/b" })
    watcher:set({ folder.path .. "/b/b" })
    settle()
    folder:sh("echo y > c")
    assert.is_true(is_woken(PATIENCE))
  end)

  it("is woken once more by a folder that was replaced by one of the same number", function()
    folder:sh("mkdir a")
    local paths = { folder.path .. "/a/list" }
    watcher:set(paths)
    settle()
    os.execute(("cd %s && rmdir a && mkdir a"):format(folder.path)) -- while the engine stands: it finds the new one
    settle()
    watcher:set(paths)
    assert.is_true(is_woken(PATIENCE))
  end)

  it("is woken once more by a folder that was replaced, for what changed before its watch stood", function()
    folder:sh("mkdir -p a/b new/b")
    watcher:set({ folder.path .. "/a/b/list" })
    settle()
    folder:sh("mv a old; mv new a")
    settle()
    watcher:set({ folder.path .. "/a/b/list" })
    assert.is_true(is_woken(PATIENCE))
  end)

  it("is woken by what matches in a folder, behind whatever links, and by nothing else there", function()
    folder:sh("mkdir deep; ln -s deep link")
    local group = { folder = folder.path .. "/link", matches = function(name) return name:find("%.txt$") ~= nil end }
    watcher:set({}, group)
    settle()
    folder:sh("echo x > deep/new; echo x > deep/'*'")
    assert.is_false(is_woken(QUIET))
    folder:sh("echo x > deep/new.txt")
    assert.is_true(is_woken(PATIENCE))
    settle()
    folder:sh("mkdir other; ln -sfn other link")
    assert.is_true(is_woken(PATIENCE))
    watcher:set({}, group)
    settle()
    folder:sh("echo x > deep/b.txt")
    assert.is_false(is_woken(QUIET))
    folder:sh("echo x > other/b.txt")
    assert.is_true(is_woken(PATIENCE))
  end)

  it("takes a star in a name for a star", function()
    watcher:set({ folder.path .. "/*" })
    settle()
    folder:sh("echo x > a.lua")
    assert.is_false(is_woken(QUIET))
    folder:sh("echo x > '*'")
    assert.is_true(is_woken(PATIENCE))
  end)

  it("drops a folder whose change it has just been told of", function()
    folder:sh("mkdir sub")
    watcher:set({ folder.path .. "/sub/a.lua", folder.path .. "/a.lua" })
    for i = 1, 50 do
      folder:sh("echo " .. i .. " > sub/a.lua")
      watcher:set({ folder.path .. "/a.lua" })
      watcher:set({ folder.path .. "/sub/a.lua", folder.path .. "/a.lua" })
    end
    settle()
    folder:sh("echo y > sub/a.lua")
    assert.is_true(is_woken(PATIENCE))
  end)

  it("follows links that lead to themselves no further than the kernel does", function()
    folder:sh("ln -s loop loop")
    watcher:set({ folder.path .. "/loop/a.lua" })
    settle()
    folder:sh("rm loop")
    assert.is_true(is_woken(PATIENCE))
  end)
end)
