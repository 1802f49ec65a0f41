-- SPDX-License-Identifier: MIT
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local task = require("engine.task")
local timer = require("engine.timer")

local CONFIG = [[
local function names(nodes)
  local list = {}
  for i, node in ipairs(nodes) do list[i] = node.name .. (node.found and "" or " (not found)") end
  return table.concat(list, " ")
end
return {
  name = "me@127.0.0.1", via = "homies", connect = "none", sync_offset = 0, interval = %s, %s
  on_change = function(nodes) print("nodes: " .. names(nodes)) end,
}
]]

local function provider(answer) return ("local M = {}\nfunction M.poll(self) %s end\nreturn M\n"):format(answer) end

describe("while it runs", function()
  local folder, daemon

  local function start(interval, more)
    folder:write("config.lua", CONFIG:format(interval or 60, more or ""))
    daemon = Daemon.start({ folder.path .. "/config.lua" })
  end

  before_each(function()
    folder = Folder.new()
    folder:write("homies.lua", provider('return { "first@a" }'))
  end)

  after_each(function()
    if daemon then daemon:stop() end
    daemon = nil
    folder:remove()
  end)

  it("sees another node within a second of the save", function()
    start()
    daemon:expect("nodes: first@a")
    local quickest = 60
    for i = 1, 3 do -- for this host may be slow now and then
      local saved_at = timer.now()
      folder:write("homies.lua", provider(('return { "save%d@a" }'):format(i)))
      daemon:expect(("nodes: save%d@a"):format(i))
      quickest = math.min(quickest, timer.now() - saved_at)
    end
    assert(quickest < 1, quickest)
  end)

  it("keeps the old version when the new one has a syntax error, says the line, and takes it when it is mended", function()
    start(0.2)
    daemon:expect("nodes: first@a")
    folder:write("homies.lua", "local M = {}\nfunction M.poll( return {} end\nreturn M\n")
    daemon:expect("homies.lua:2:")
    task.sleep(0.5)
    assert.is_false(daemon:has_said("not found"))
    folder:write("homies.lua", provider('return { "mended@a" }'))
    daemon:expect("nodes: mended@a")
  end)

  it("goes back to the version before when the new one raises at its first poll", function()
    start(0.3)
    daemon:expect("nodes: first@a")
    folder:write("homies.lua", provider('error("boom")'))
    daemon:expect("the previous one runs again")
    task.sleep(0.7)
    assert.is_false(daemon:has_said("not found"))
    folder:write("homies.lua", provider('return { "third@a" }'))
    daemon:expect("nodes: third@a")
  end)

  -- The version that answers `text` is polled once more from now on.
  local function expect_poll(text)
    daemon.matched[text] = #daemon.log
    daemon:expect(text)
  end

  it("goes back to the version before when the new one loops at its first poll", function()
    folder:write("homies.lua", provider('print("polled") return { "first@a" }'))
    start(0.3, "budget = 0.2,")
    daemon:expect("nodes: first@a")
    folder:write("homies.lua", provider("while true do end"))
    daemon:expect("the previous one runs again: provider homies held the engine for 0.")
    expect_poll("polled")
    assert.is_false(daemon:has_said("not found"))
    folder:write("homies.lua", provider('return { "third@a" }'))
    daemon:expect("nodes: third@a")
  end)

  it("keeps what runs when the new file of a provider, or the new config, loops", function()
    folder:write("homies.lua", provider('print("polled") return { "first@a" }'))
    start(0.3, "budget = 0.2,")
    daemon:expect("nodes: first@a")
    for file, message in pairs({
      ["homies.lua"] = "provider homies held the engine for 0.",
      ["config.lua"] = "config held the engine for 1.",
    }) do
      folder:write(file, "while true do end")
      daemon:expect(message)
      expect_poll("polled")
    end
    assert.is_false(daemon:has_said("not found"))
    folder:write("config.lua", CONFIG:format(0.3, "budget = 0.2,"))
    folder:write("homies.lua", provider('return { "mended@a" }'))
    daemon:expect("nodes: mended@a")
  end)

  it("keeps a new version that cannot find out at its first poll", function()
    start(60)
    daemon:expect("nodes: first@a")
    folder:write("homies.lua", provider('return nil, "the source is away"'))
    daemon:expect("the source is away")
    assert.is_false(daemon:has_said("previous one runs again"))
  end)

  it("hands a copy of the state to the new version, and the old one's to the version it goes back to", function()
    folder:write("homies.lua", provider('self.state.n = (self.state.n or 0) + 1; return { "n" .. self.state.n .. "@a" }'))
    start(60)
    daemon:expect("nodes: n1@a")
    folder:write("homies.lua", provider('self.state.n = self.state.n + 100; error("boom")'))
    daemon:expect("nodes: n2@a")
  end)

  it("reloads a provider when a file that it requires changes", function()
    folder:write("names.lua", 'return { "from@one" }')
    folder:write("homies.lua", 'local names = require("names")\nlocal M = {}\nfunction M.poll() return names end\nreturn M\n')
    start(60)
    daemon:expect("nodes: from@one")
    folder:write("names.lua", 'return { "from@two" }')
    daemon:expect("nodes: from@two")
  end)

  it("is mended when the broken file is one that the refused version required for the first time", function()
    start(60)
    daemon:expect("nodes: first@a")
    folder:write("extra.lua", "return {")
    folder:write("homies.lua", 'local extra = require("extra")\nlocal M = {}\nfunction M.poll() return extra end\nreturn M\n')
    daemon:expect("extra.lua")
    folder:write("extra.lua", 'return { "extra@a" }')
    daemon:expect("nodes: extra@a")
  end)

  it("follows a swapped ..data link, as Kubernetes updates a ConfigMap", function()
    folder:sh([[mkdir ..1 ..2
      echo 'local M = {} function M.poll() return { "map@one" } end return M' > ..1/homies.lua
      echo 'local M = {} function M.poll() return { "map@two" } end return M' > ..2/homies.lua
      ln -s ..1 ..data && ln -sf ..data/homies.lua homies.lua]])
    start(60)
    daemon:expect("nodes: map@one")
    folder:sh("ln -s ..2 ..data_tmp && mv -T ..data_tmp ..data && rm -r ..1")
    daemon:expect("nodes: map@two")
    folder:sh([[mkdir ..3
      echo 'local M = {} function M.poll() return { "map@three" } end return M' > ..3/homies.lua
      ln -s ..3 ..data_tmp && mv -T ..data_tmp ..data && rm -r ..2]])
    daemon:expect("nodes: map@three")
  end)

  it("follows a swapped link to the folder of a deploy", function()
    folder:sh([[mkdir v1 v2 && ln -s v1 current
      echo 'local M = {} function M.poll() return { "deploy@one" } end return M' > v1/homies.lua
      echo 'local M = {} function M.poll() return { "deploy@two" } end return M' > v2/homies.lua]])
    folder:write("config.lua", 'return { via = "current/homies.lua", sync_offset = 0, interval = 60, '
      .. 'on_change = function(nodes) print("nodes: " .. nodes[#nodes].name) end }')
    daemon = Daemon.start({ folder.path .. "/config.lua" })
    daemon:expect("nodes: deploy@one")
    folder:sh("ln -s v2 next && mv -T next current")
    daemon:expect("nodes: deploy@two")
  end)

  it("ends with the last version after a half-written file and fifty saves in a second", function()
    start(60)
    daemon:expect("nodes: first@a")
    folder:sh([[printf 'local M = {}\nfunction M.po' > homies.lua; sleep 0.4
      for i in $(seq 1 50); do
        printf 'local M = {} function M.poll() return { "save%s@a" } end return M' $i > homies.lua; sleep 0.02
      done]])
    daemon:expect("nodes: save50@a")
  end)

  it("keeps the last version of a removed file with one warning, and takes it up when it is back", function()
    start(0.2)
    daemon:expect("nodes: first@a")
    folder:sh("rm homies.lua")
    daemon:expect("is gone")
    task.sleep(0.6)
    assert.is_false(daemon:has_said("not found"))
    folder:write("homies.lua", provider('return { "back@a" }'))
    daemon:expect("nodes: back@a")
  end)

  it("takes changed settings over, swaps hooks in place, and keeps what it knows", function()
    start(60)
    daemon:expect("nodes: first@a")
    folder:write("config.lua", (CONFIG:format(0.2, ""):gsub("nodes: ", "now: ")))
    daemon:expect("config.lua: reloaded")
    folder:write("homies.lua", provider('return { "second@a" }'))
    daemon:expect("now: second@a")
  end)

  it("keeps the old config when the new one is wrong", function()
    start(0.2)
    daemon:expect("nodes: first@a")
    folder:write("config.lua", 'return { via = "homies", interval = "3" }')
    daemon:expect("interval: expected a number")
    folder:write("homies.lua", provider('return { "second@a" }'))
    daemon:expect("nodes: second@a")
  end)

  it("says that another name needs a restart", function()
    start(60)
    daemon:expect("nodes: first@a")
    folder:write("config.lua", (CONFIG:format(60, ""):gsub("me@127", "you@127")))
    daemon:expect("needs a restart")
  end)

  it("looks at once at SIGHUP, even if it does not watch", function()
    start(60, "reload = false,")
    daemon:expect("nodes: first@a")
    folder:write("homies.lua", provider('return { "second@a" }'))
    task.sleep(0.5)
    assert.is_false(daemon:has_said("second@a"))
    daemon:signal("HUP")
    daemon:expect("nodes: second@a")
  end)
end)
