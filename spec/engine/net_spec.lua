-- SPDX-License-Identifier: MIT
local alone = require("support.alone")
local net = require("engine.net")
local udp = require("engine.udp")

local function print_default(setup) return alone(setup, 'print(require("engine.net").default_address())') end

describe("engine.net", function()
  it("lists the loopback interface with its address", function()
    local found
    for _, entry in ipairs(net.interfaces()) do
      if entry.address == "127.0.0.1" then found = entry end
    end
    assert.same({
      name = "lo", index = 1, address = "127.0.0.1", family = "inet", up = true, multicast = false, loopback = true,
    }, found)
  end)

  it("knows which addresses are this host's", function()
    for _, entry in ipairs(net.interfaces()) do assert.is_true(net.has_address(entry.address)) end
    assert.is_false(net.has_address("203.0.113.7"))
    assert.is_false(net.has_address("no address"))
  end)

  it("tells addresses from names", function()
    for _, text in ipairs({ "127.0.0.1", "0.0.0.0", "::1", "fe80::1%eth0" }) do assert.is_true(net.is_address(text), text) end
    for _, text in ipairs({ "localhost", "10.0.0", "", "::g" }) do assert.is_false(net.is_address(text), text) end
  end)

  it("lists only addresses that a socket can be bound to", function()
    local entries = net.interfaces()
    assert.is_true(#entries > 0)
    for _, entry in ipairs(entries) do
      assert(udp.open({ host = entry.address })):close()
    end
  end)

  it("gives an address of this host as the default one", function()
    local address, known = net.default_address(), { ["127.0.0.1"] = true }
    for _, entry in ipairs(net.interfaces()) do
      known[entry.address] = known[entry.address] or not entry.loopback
    end
    assert.is_true(known[address])
  end)

  it("falls back to 127.0.0.1 on a host without a network", function()
    assert.equal("127.0.0.1", print_default("ip link set lo up"))
  end)

  it("passes over link-local addresses and interfaces that are down", function()
    local setup = "ip link add dev up0 type veth peer name up1; ip link set up1 up; ip link set up0 up;"
      .. "ip address add 169.254.1.1/16 dev up0; ip link add dev down0 type veth; ip address add 10.9.8.7/24 dev down0"
    assert.equal("127.0.0.1", print_default(setup))
  end)

  it("prefers IPv4 to IPv6, and takes IPv6 when there is nothing else", function()
    local setup = "ip link add dev up0 type veth peer name up1; ip link set up1 up; ip link set up0 up;"
      .. "ip address add fd00::9/64 dev up0 nodad"
    assert.equal("fd00::9", print_default(setup))
    assert.equal("10.9.8.7", print_default(setup .. "; ip address add 10.9.8.7/24 dev up0"))
  end)
end)
