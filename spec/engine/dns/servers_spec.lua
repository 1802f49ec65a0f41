-- SPDX-License-Identifier: MIT
local dns = require("engine.dns")
local task = require("engine.task")
local timer = require("engine.timer")

local dns_client = require("support.dns_client")
local dns_daemon = require("support.dns_daemon")
local dns_server = require("support.dns_server")

local addresses_of, assert_failure = dns_client.addresses_of, dns_client.assert_failure
local A = dns_server.record("A", "10.0.0.1")
local SILENCE = function() return nil end

describe("DNS servers", function()
  local client

  before_each(function() client = dns_client.new() end)
  after_each(function() client:stop() end)

  local function serve(...) return client:serve(...) end
  local function ask(...) return client:ask(...) end

  it("that are dead cost a part of the timeout once, and nothing at the next look-ups", function()
    local dead = dns_server.start(setmetatable({}, { __index = function() return SILENCE end }))
    serve({ ["a.x"] = { answers = { A } } })
    local servers = { dead.address, client.server.address }
    local began = timer.now()
    assert.same({ "10.0.0.1" }, addresses_of(ask("a.x", { servers = servers, timeout = 6 })))
    assert.is_true(timer.now() - began < 3)
    for _ = 1, 5 do assert(ask("a.x", { servers = servers, timeout = 6 })) end
    assert.equal(1, #dead.questions)
    dead:stop()
  end)

  it("that say SERVFAIL or do not exist are passed over", function()
    local broken = dns_server.start({ ["a.x"] = { rcode = 2 } })
    local gone = dns_server.start({})
    gone:stop()
    serve({ ["a.x"] = { answers = { A } } })
    local list = ask("a.x", { servers = { gone.address, broken.address, client.server.address } })
    assert.same({ "10.0.0.1" }, addresses_of(list))
    broken:stop()
  end)

  it("that the system refuses to send to are ESERVFAIL at once", function()
    local began = timer.now()
    assert_failure("ESERVFAIL", "asked 255.255.255.255:53", ask("a.x", { servers = { "255.255.255.255" }, timeout = 60 }))
    assert.is_true(timer.now() - began < 10)
  end)

  describe("see the look-ups", function()
    local answer = { answers = { A } }

    local function ports()
      local list = {}
      for i, question in ipairs(client.server.questions) do list[i] = question.port end
      return list
    end

    before_each(function() serve({ ["a.x"] = answer, ["silent.x"] = SILENCE }) end)

    it("that follow each other come from one port", function()
      for _ = 1, 5 do assert(ask("a.x")) end
      local seen = ports()
      for i = 2, 5 do assert.equal(seen[1], seen[i]) end
    end)

    it("come from another after a pause, so that it cannot be guessed", function()
      assert(ask("a.x"))
      timer.sleep(1.1)
      assert(ask("a.x"))
      local seen = ports()
      assert.not_equal(seen[1], seen[2])
    end)

    it("come from another after ten seconds, however many follow each other", function()
      local started, count = timer.now(), 0
      repeat
        assert(ask("a.x"))
        count = count + 1
        timer.sleep(0.2)
      until timer.now() - started > 10.3
      local seen = ports()
      assert.equal(count, #seen)
      assert.equal(seen[1], seen[2])
      assert.not_equal(seen[1], seen[count])
    end)

    it("come from another after a silence: the address of the old one may be gone", function()
      assert(ask("a.x"))
      assert_failure("ETIMEDOUT", "no answer", ask("silent.x", { timeout = 1, tries = 1 }))
      assert(ask("a.x", { timeout = 1, tries = 1 }))
      local seen = ports()
      assert.not_equal(seen[#seen - 1], seen[#seen])
    end)
  end)

  it("may have IPv6 addresses", function()
    serve({ ["a.x"] = { answers = { A } } }, "::1")
    assert.is_truthy(client.server.address:find("[::1]:", 1, true))
    assert.same({ "10.0.0.1" }, addresses_of(ask("a.x")))
  end)

  for _, bad in ipairs({ "", "x", "1.2.3", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:5x", "[::1", "[::1]53", ":::" }) do
    it(("are refused when one is %q"):format(bad), function()
      serve({})
      local expected = ('bad server "%s": expected an address, address:port or [ipv6]:port'):format(bad)
      assert_failure("EINVAL", expected, ask("a.x", { servers = { client.server.address, bad } }))
    end)
  end

  it("of resolv.conf are asked when none are given, and again when it has changed", function()
    client:use_files("", "nameserver 127.0.0.2\n")
    local _, message = dns.addresses("a.x.", { timeout = 0.05 })
    assert.is_truthy(message:find("127.0.0.2:53", 1, true), message)
    client.files:write("resolv.conf", "# moved\nnameserver 127.0.0.3\nnameserver ::1\n")
    assert.is_truthy(task.timeout(30, function()
      repeat
        task.sleep(0.02)
        _, message = dns.addresses("a.x.", { timeout = 0.05 })
      until message:find("127.0.0.3:53, [::1]:53", 1, true)
      return true
    end))
  end)

  describe("of knot", function()
    if not dns_daemon.has("knotd") then return pending("needs knotd") end
    local knot

    setup(function()
      local lines = {
        "@ NS ns\nns A 127.0.0.1\none 0 A 10.0.0.1\none AAAA fd00::1\nalias CNAME other\nother CNAME one",
        "_app._tcp SRV 1 2 4369 one\ntext TXT \"a b\" \"c\"\n1 PTR one\n@ MX 10 one\nloop CNAME pool\npool CNAME loop",
      }
      for i = 1, 1000 do lines[#lines + 1] = ("many A 10.1.%d.%d"):format(i / 256, i % 256) end
      knot = dns_daemon.knot("example.test", table.concat(lines, "\n"))
    end)
    teardown(function() knot:stop() end)

    local function knows(name, kind) return dns.query(name .. "example.test", kind, { servers = { knot.address } }) end

    it("answers of each type are read", function()
      assert.same({ { address = "10.0.0.1", family = "inet", ttl = 0 } }, knows("one.", "A"))
      assert.same({ { address = "fd00::1", family = "inet6", ttl = 30 } }, knows("one.", "AAAA"))
      assert.same({ { address = "10.0.0.1", family = "inet", ttl = 0 } }, knows("alias.", "A"))
      local srv = { { target = "one.example.test", port = 4369, priority = 1, weight = 2, ttl = 30 } }
      assert.same(srv, knows("_app._tcp.", "SRV"))
      assert.same({ { text = "a bc", ttl = 30 } }, knows("text.", "TXT"))
      assert.same({ { target = "one.example.test", ttl = 30 } }, knows("1.", "PTR"))
      assert.same({ { target = "other.example.test", ttl = 30 } }, knows("alias.", "CNAME"))
      assert.same({ { target = "one.example.test", priority = 10, ttl = 30 } }, knows("", "MX"))
      assert.same({ { target = "ns.example.test", ttl = 30 } }, knows("", "NS"))
    end)

    it("answers of 1,000 addresses come over TCP", function() assert.equal(1000, #assert(knows("many.", "A"))) end)

    it("refusals are told apart: no name, no data, not its zone, a loop", function()
      assert_failure("ENOTFOUND", "nowhere.example.test A", knows("nowhere.", "A"))
      assert_failure("ENODATA", "one.example.test MX", knows("one.", "MX"))
      assert_failure("ESERVFAIL", "a.other A", dns.query("a.other", "A", { servers = { knot.address } }))
      assert_failure("ESERVFAIL", "loop", knows("loop.", "A"))
    end)
  end)

  describe("of dnsmasq", function()
    if not dns_daemon.has("dnsmasq") then return pending("needs dnsmasq") end

    it("answers are read, also where it refuses the other family", function()
      local dnsmasq = dns_daemon.dnsmasq({ "--host-record=one.test,10.0.0.1", "--local-ttl=9" })
      local list, message = dns.addresses("one.test.", { servers = { dnsmasq.address } })
      dnsmasq:stop()
      assert.same({ { address = "10.0.0.1", family = "inet", ttl = 9 } }, list)
      assert.is_truthy(message:find("one.test AAAA", 1, true), message)
    end)
  end)
end)
