-- SPDX-License-Identifier: MIT
require("support.scripts")
local Crowd = require("benchmarks.crowd")
local Folder = require("support.folder")
local eventually = require("support.eventually")
local fs = require("engine.fs")

local MEASURE = { folder = { path = "/" } }

local function is_there(pid) return fs.stat(("/proc/%d"):format(pid)) ~= nil end

local function start(crowd, script) return crowd:start("the shell", { "sh", "-c", script }) end

local function says_ready(_, line)
  if line:find("ready") then return line == "ready" end
end

describe("a crowd of processes", function()
  it("ends with who drives it, also when that raises", function()
    local pids = {}
    Crowd.gather(MEASURE, function(crowd) pids[1] = start(crowd, "sleep 1000 & wait").pid end)
    local ok, message = pcall(Crowd.gather, MEASURE, function(crowd)
      pids[2] = start(crowd, "exec sleep 1000").pid
      error("a reason", 0)
    end)
    assert.are.same({ false, "a reason" }, { ok, message })
    eventually(function() return not (is_there(pids[1]) or is_there(pids[2])) end)
  end)

  it("is ready when all are at the same time", function()
    local folder = Folder.new()
    folder:sh("mkfifo go")
    local function judge(member, line)
      local is_ready = says_ready(member, line)
      if is_ready == false then folder:sh("echo > go") end
      return is_ready
    end
    local ok, message = pcall(Crowd.gather, { folder = folder }, function(crowd)
      local fickle = start(crowd, "echo ready; echo not ready >&2; exec sleep 1000")
      local steady = start(crowd, "echo hello; read line < go; echo ready; exec sleep 1000")
      crowd:await({ fickle, steady }, judge, 2)
    end)
    folder:remove()
    assert.are.same(
      { false, "1 of 2 are not ready after 2 s; the last that the shell said:\nready\nnot ready" }, { ok, message })
  end)

  it("raises when one ends before its time, with its last words", function()
    local ok, message = pcall(Crowd.gather, MEASURE, function(crowd)
      local member = start(crowd, "echo it is not my day; exit 3")
      crowd:await({ member }, says_ready, 5)
    end)
    assert.are.same({ false, "the shell has ended; the last that the shell said:\nit is not my day" }, { ok, message })
  end)
end)
