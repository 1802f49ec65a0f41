-- SPDX-License-Identifier: MIT
local conffile = require("engine.dns.conffile")
local hosts = require("engine.dns.hosts")
local resolvconf = require("engine.dns.resolvconf")
local task = require("engine.task")
local timer = require("engine.timer")

local folder = require("support.folder")

describe("a hosts file", function()
  it("is read slice by slice when it is long", function()
    local lines, pauses = {}, 0
    for i = 1, 5000 do lines[i] = "10.0.0.1 host" .. i end
    local table_of_names = hosts.parse(table.concat(lines, "\n"), function() pauses = pauses + 1 end)
    assert.equal(2, pauses)
    assert.equal("10.0.0.1", table_of_names.host5000)
  end)
end)

describe("resolv.conf", function()
  it("is read as libc reads it", function()
    local text = table.concat({
      "; a comment", "nameserver 10.0.0.1 # first", "nameserver fd00:0::1", "nameserver nonsense", "nameserver fe80::1%lo",
      "\tnameserver\t10.0.0.3", "nameserver 10.0.0.4", "search a.x", "search b.x. . c.x\r",
      "options ndots:99 attempts:0 timeout:3 rotate", "options timeout:x attempts:3",
    }, "\n")
    assert.same({
      servers = { "10.0.0.1", "fd00::1", "10.0.0.3" }, search = { "b.x", "c.x" }, ndots = 15, tries = 3, timeout = nil,
    }, resolvconf.parse(text))
  end)

  it("gives servers their time: `timeout` x `attempts` x servers", function()
    assert.equal(4, resolvconf.parse("options timeout:2").timeout)
    assert.equal(12, resolvconf.parse("options timeout:2 attempts:3\nnameserver 10.0.0.1\nnameserver 10.0.0.2").timeout)
  end)

  it("that says nothing means the server on this host", function()
    assert.same({ servers = { "127.0.0.1" }, search = {}, ndots = 1, tries = 2 }, resolvconf.parse(""))
  end)

  it("has at most six search domains, and `domain` is a search for one", function()
    assert.equal(6, #resolvconf.parse("search a b c d e f g").search)
    assert.same({ "b" }, resolvconf.parse("search a\ndomain b c").search)
  end)
end)

describe("a system file", function()
  local files, reads, file

  before_each(function()
    files, reads = folder.new(), 0
    file = conffile.new(files.path .. "/file", function(text)
      reads = reads + 1
      return { text = text }
    end)
  end)
  after_each(function() files:remove() end)

  it("is looked at once a second at most, and read when it has changed", function()
    local now = timer.now()
    assert.equal("", file:current(now).text)
    files:write("file", "one")
    assert.equal("", file:current(now + 0.9).text)
    assert.equal("one", file:current(now + 1).text)
    assert.equal("one", file:current(now + 2).text)
    assert.equal(2, reads)
    files:write("file", "two")
    assert.equal("two", file:current(now + 3).text)
    files:sh("rm file")
    assert.equal("", file:current(now + 4).text)
  end)

  it("is read once for all who ask at the same time", function()
    files:write("file", "one")
    local now, asks = timer.now(), {}
    for i = 1, 20 do
      asks[i] = function() return file:current(now).text end
    end
    for _, text in ipairs(task.all(asks)) do assert.equal("one", text) end
    assert.equal(1, reads)
  end)

  it("stays as it was while it is no regular file", function()
    local now = timer.now()
    files:write("file", "one")
    assert.equal("one", file:current(now).text)
    files:sh("rm file; mkfifo file")
    assert.equal("one", file:current(now + 1).text)
    files:sh("rm file")
    files:write("file", "two")
    assert.equal("two", file:current(now + 2).text)
  end)
end)
