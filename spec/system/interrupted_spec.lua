-- SPDX-License-Identifier: MIT
-- A run of the specs that is interrupted: what it had open and had made goes with it.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local Network = require("support.netns")
local eventually = require("support.eventually")
local fs = require("engine.fs")
local root = require("engine").root

local SPEC = [[
io.stdout:setvbuf("line")
local Daemon, Folder = require("support.daemon"), require("support.folder")
local Manager, Network = require("support.service_manager"), require("support.netns")
local fs, task = require("engine.fs"), require("engine.task")

it("lasts", function()
  local folder = Folder.new()
  folder:write("config.lua", 'return { name = "a@b", via = "self", reload = false }')
  Daemon.start({ folder.path .. "/config.lua" }):expect("a@b")
  local manager = Manager.start(folder.path .. "/notify")
  print("folder: " .. folder.path)
  print("listener: /proc/" .. manager.process.pid)
  if Network.is_possible() then print("host: /run/netns/" .. Network.new(2).hosts[2]) end
  print("all is made")
  task.sleep(1000)
end)
]]

local LISTENER = [[
io.stdout:setvbuf("line")
it("listens", function()
  local manager = require("support.service_manager").start("%s/notify")
  print("listener: /proc/" .. manager.process.pid)
  require("engine.task").sleep(1000)
end)
]]

describe("a run of specs", function()
  local folder, run

  before_each(function() folder = Folder.new() end)

  after_each(function()
    run.reader:cancel()
    run.process:close()
    folder:remove()
  end)

  local function start(text)
    run = Daemon.start({ "run", root .. "/spec/run.lua", folder:write("inner_spec.lua", text) })
  end

  local function expect_no(path)
    eventually(function() return not fs.stat(path) end)
  end

  for _, signal in ipairs({ "INT", "TERM" }) do
    it("that is interrupted by " .. signal .. " leaves nothing behind", function()
      start(SPEC)
      run:expect("all is made")
      run:signal(signal)
      run:expect("interrupted")
      assert.equal(1, run:wait().code)
      expect_no(run:expect("folder: "):match("/.*$"))
      expect_no(run:expect("listener: "):match("/.*$"))
      if Network.is_possible() then expect_no(run:expect("host: "):match("/.*$")) end
    end)
  end

  it("that is killed has no listener after it", function()
    start(LISTENER:format(folder.path))
    local listener = run:expect("listener: "):match("/.*$")
    assert.is_truthy(fs.stat(listener))
    run:signal("KILL")
    run:wait()
    expect_no(listener)
  end)
end)
