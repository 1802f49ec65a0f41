-- SPDX-License-Identifier: MIT
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local addresses = require("peerage.erlang.epmd.addresses")
local log = require("engine.log")
local net = require("engine.net")
local tcp = require("engine.tcp")

describe("where EPMD listens", function()
  it("is every address, IPv6 where there is some", function()
    local listeners = assert(addresses.listen(0, log))
    local _, port = listeners[1]:address()
    local hosts = { "127.0.0.1" }
    for _, entry in ipairs(assert(net.interfaces())) do
      if entry.up and entry.address == "::1" then hosts[2] = "::1" end
    end
    for _, host in ipairs(hosts) do assert(tcp.connect({ host = host, port = port })):close() end
    for _, listener in ipairs(listeners) do listener:close() end
  end)

  it("is one's only: a second one is told that the port is in use", function()
    local listeners = assert(addresses.listen(0, log))
    local _, port = listeners[1]:address()
    local second, message, code = addresses.listen(port, log)
    assert.is_nil(second)
    assert.equal("EADDRINUSE", code)
    assert.is_truthy(message:find("address already in use", 1, true))
    for _, listener in ipairs(listeners) do listener:close() end
  end)

  describe("with ERL_EPMD_ADDRESS", function()
    local folder

    before_each(function() folder = Folder.new() end)
    after_each(function() folder:remove() end)

    -- The addresses, in a process of its own since the variable is one of the process.
    local function listed(text)
      local script = folder:write("script.lua", [[
        local listeners = assert(require("peerage.erlang.epmd.addresses").listen(0, require("engine.log")))
        local hosts = {}
        for i, listener in ipairs(listeners) do hosts[i] = listener:address() end
        print("hosts: " .. table.concat(hosts, " "))
      ]])
      local daemon = Daemon.start({ "run", script }, { env = { ERL_EPMD_ADDRESS = text } })
      local line = daemon:expect("hosts: ")
      daemon:wait()
      return line:gsub("hosts: ", "") .. "", daemon
    end

    local loopbacks

    before_each(function() loopbacks = listed("127.0.0.1") end)

    it("is the loopback addresses and those", function()
      assert.is_truthy(loopbacks == "127.0.0.1 ::1" or loopbacks == "127.0.0.1", loopbacks) -- there may be no IPv6
      assert.equal(loopbacks .. " 127.0.0.7 127.0.0.8", (listed(", 127.0.0.7 , 127.0.0.1 127.0.0.8,127.0.0.7 ")))
    end)

    it("is all of a family, if the list has that", function() assert.equal("0.0.0.0", (listed("0.0.0.0"))) end)

    it("says which it cannot listen on, and does without", function()
      local hosts, daemon = listed("nonsense")
      assert.equal(loopbacks, hosts)
      assert.is_true(daemon:has_said("epmd is not served on an address in ERL_EPMD_ADDRESS: cannot listen on nonsense"))
    end)
  end)
end)

describe("those who come to EPMD", function()
  local function is_local(peer, own)
    return addresses.is_local({ peer = function() return peer end, address = function() return own end })
  end

  it("are on this host when they come from a loopback address", function()
    assert.is_true(is_local("127.0.0.1", "127.0.0.1"))
    assert.is_true(is_local("127.3.2.1", "127.0.0.1"))
    assert.is_true(is_local("::1", "::1"))
    assert.is_true(is_local("::ffff:127.0.0.1", "::ffff:127.0.0.1"))
  end)

  it("are on this host when they come from the address that they came to, or from another one of ours", function()
    assert.is_true(is_local("198.51.100.1", "198.51.100.1"))
    assert.is_true(is_local("::ffff:198.51.100.1", "::ffff:198.51.100.1"))
    for _, entry in ipairs(assert(net.interfaces())) do assert.is_true(is_local(entry.address, "198.51.100.1")) end
  end)

  it("are not, from elsewhere or when they are gone", function()
    assert.is_false(is_local("198.51.100.2", "198.51.100.1"))
    assert.is_false(is_local("::ffff:198.51.100.2", "127.0.0.1"))
    assert.is_false(is_local("2001:db8::127.0.0.1", "::1"))
    assert.is_false(is_local(nil, nil))
  end)
end)
