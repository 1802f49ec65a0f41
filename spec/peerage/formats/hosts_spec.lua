-- SPDX-License-Identifier: MIT
local formats = require("peerage.formats")

local function read(text) return formats.read("hosts", text, { app_name = "web" }) end

describe("a hosts file", function()
  it("lists hosts by their addresses, but none of this host, and no groups", function()
    assert.are.same({ { name = "web@10.0.0.1" }, { name = "web@223.255.255.254" }, { name = "web@fd00::2" },
      { name = "web@fec0::3" }, { name = "web@ff::1" },
      { name = "web@2001:db8::4" }, { name = "web@::ffff:10.0.0.5" } }, read([[
127.0.0.1	localhost
127.0.1.1	me.example.org me
::1		localhost ip6-localhost ip6-loopback
ff02::1		ip6-allnodes
0.0.0.0 blocked.example.org
224.0.0.1 group

10.0.0.1  one.example.org one   # the first
223.255.255.254 last
fd00::2 two
fec0::3 three
ff::1 neither group
2001:db8::4
::ffff:10.0.0.5 five

0:0:0:0:0:0:0:1 localhost
::ffff:127.0.0.1 localhost
:: none
fe00::0 ip6-localnet
ff00::0 ip6-mcastprefix
FE80::1%lo0 localhost
fe80::1%eth0 neighbour
febf::1 neighbour
169.254.1.1 neighbour
239.255.255.255 group
255.255.255.255 broadcasthost
]]))
  end)

  it("names the line that is wrong", function()
    for _, line in ipairs({ "web1 10.0.0.1", "10.0.0 x", "10.0.0.256 x", "10.0.0.1.2 x", "10..0.1 x", "x::y z", ":::1 z", "a: x", "1.2:3 x",
      "::1::2 x",
      "10.0.0.1%eth0 x", "fd00::12345 x" }) do
      local list, message = read("10.0.0.1 a\n" .. line .. "\n")
      assert.is_nil(list)
      assert.are.equal(('line 2: expected an address and names, found "%s"'):format(line), message)
    end
  end)
end)
