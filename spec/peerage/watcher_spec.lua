-- SPDX-License-Identifier: MIT
-- What wakes a watcher of paths, and what does not.
local Folder = require("support.folder")
local Watcher = require("peerage.watcher")
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
