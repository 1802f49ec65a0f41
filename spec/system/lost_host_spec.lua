-- SPDX-License-Identifier: MIT
-- A host that goes without a word, as one does that lost its power: no packet says that a connection has ended.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local netns = require("support.netns")
local process = require("engine.process")
local task = require("engine.task")
local timer = require("engine.timer")

local LOST_AFTER = 2 -- seconds

local LISTENER = [[
  io.stdout:setvbuf("line")
  local listener = assert(require("engine.tcp").listen({ host = "0.0.0.0" }))
  print("port " .. select(2, listener:address()))
  local streams = {}
  while true do
    streams[#streams + 1] = listener:accept()
    print("accepted")
  end
]]

local CONFIG = [[return {
  via = "list", node_list = { { name = "app@%s", port = %d } }, sync_offset = 0, interval = 60,
  connect = { "tcp", lost_after = %d },
  on_up = function(node) print("up: " .. node.name) end,
  on_down = function(node, reason) print("down: " .. node.name .. " (" .. reason .. ")") end,
}]]

describe("a host that is lost", function()
  local folder, network, started

  before_each(function()
    folder = Folder.new()
    network = netns.is_possible() and netns.new(2)
    started = {}
  end)

  after_each(function()
    for _, daemon in ipairs(started) do daemon:stop() end
    if network then network:remove() end
    folder:remove()
  end)

  local function start(host, arguments)
    local daemon = Daemon.start(arguments, { namespace = network.hosts[host] })
    table.insert(started, 1, daemon)
    return daemon
  end

  it("is down within lost_after, though nothing says so; one that is only silent is not", function()
    if not network then return pending("needs network namespaces") end
    folder:write("listener.lua", LISTENER)
    local node = start(2, { "run", folder.path .. "/listener.lua" })
    local port = tonumber(node:expect("port "):match("%d+"))
    folder:write("config.lua", CONFIG:format(network:address(2), port, LOST_AFTER))
    local engine = start(1, { folder.path .. "/config.lua" })
    engine:expect("up: app@" .. network:address(2))
    node:expect("accepted")
    task.sleep(2 * LOST_AFTER)
    assert.is_false(engine:has_said("down: "))

    local cut = assert(process.run({ "ip", "-n", network.switch, "link", "set", "port2", "down" }))
    assert.equal(0, cut.code, cut.stderr)
    local began = timer.now()
    local line = engine:expect("down: app@" .. network:address(2))
    local took = timer.now() - began
    assert.is_true(took > LOST_AFTER / 4, took) -- by silence, and not by the cut itself
    assert.is_true(took < LOST_AFTER + 5, took)
    assert.is_truthy(line:find("(no route to host)", 1, true) or line:find("timed out)", 1, true), line)
  end)
end)
