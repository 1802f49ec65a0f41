-- SPDX-License-Identifier: MIT
local dns = require("engine.dns")
local scope = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local dns_daemon = require("support.dns_daemon")
local dns_server = require("support.dns_server")
local folder = require("support.folder")

local record = dns_server.record
local A, AAAA = record("A", "10.0.0.1"), record("AAAA", "fd00:0:0:0:0:0:0:1")
local SILENCE = function() return nil end

-- Answers each type with its own reply; others with an empty one.
local function by_type(replies)
  return function(question)
    local reply = replies[question.type]
    if reply == nil then return {} end
    return reply or nil
  end
end

local function addresses_of(list)
  local result = {}
  for i, found in ipairs(list) do result[i] = found.address end
  return result
end

describe("engine.dns", function()
  local files, server

  local function serve(names, host)
    server = dns_server.start(names, host)
    return server
  end

  -- Looks up at the scripted server.
  local function ask(name, options)
    options = options or {}
    options.servers = options.servers or { server.address }
    options.family = options.family or "inet"
    return dns.addresses(name, options)
  end

  local function query(name, kind, options)
    options = options or {}
    options.servers = options.servers or { server.address }
    return dns.query(name, kind, options)
  end

  local function assert_failure(code, text, ...)
    local list, message, found = ...
    assert.is_nil(list)
    assert.equal(code, found)
    assert.is_truthy(message:find(text, 1, true), message)
  end

  local function use_files(hosts, resolv_conf)
    local options = { hosts = files:write("hosts", hosts or ""), resolv_conf = files:write("resolv.conf", resolv_conf or "") }
    dns.files(options)
  end

  before_each(function()
    files = folder.new()
    use_files()
  end)
  after_each(function()
    if server then server:stop() end
    server = nil
    dns.files()
    files:remove()
  end)

  describe("without a query", function()
    before_each(function() serve({ ["localhost"] = { answers = { A } }, ["a.localhost"] = { answers = { A } } }) end)
    after_each(function() assert.equal(0, #server.questions) end)

    it("gives an address back as it is", function()
      assert.same({ { address = "10.1.2.3", family = "inet", ttl = 0 } }, ask("10.1.2.3", { family = "any" }))
      assert.same({ { address = "fd00::1", family = "inet6", ttl = 0 } }, ask("fd00:0::1", { family = "inet6" }))
      assert.same({ "fe80::1%lo" }, addresses_of(ask("fe80::1%lo", { family = "any" })))
    end)

    it("finds no data in an address of the other family", function()
      assert_failure("ENODATA", "10.1.2.3 AAAA", ask("10.1.2.3", { family = "inet6" }))
      assert_failure("ENODATA", "::1 A", ask("::1", { family = "inet" }))
    end)

    it("answers localhost and all below it", function()
      assert.same({ "127.0.0.1", "::1" }, addresses_of(ask("localhost", { family = "any" })))
      assert.same({ "127.0.0.1" }, addresses_of(ask("LocalHost.", { family = "inet" })))
      assert.same({ "::1" }, addresses_of(ask("a.localhost", { family = "inet6" })))
    end)

    it("reads the hosts file: letter case, aliases, comments, CRLF, scope ids, no newline at the end", function()
      use_files("# 10.9.9.9 one\n10.0.0.1\tOne  alias # two\r\n\nfe80::7%eth0 one\nnonsense one\n300.0.0.1 one\n10.0.0.2 one.")
      assert.same({ "10.0.0.1", "fe80::7", "10.0.0.2" }, addresses_of(ask("oNE", { family = "any" })))
      assert.same({ "10.0.0.1", "10.0.0.2" }, addresses_of(ask("one.", { family = "inet" })))
      assert.same({ "10.0.0.1" }, addresses_of(ask("alias", { family = "any" })))
    end)

    it("finds a name among 100,000 lines", function()
      local lines = {}
      for i = 0, 99999 do
        lines[i + 1] = ("10.%d.%d.%d host%d"):format(i / 65536, i / 256 % 256, i % 256, i)
      end
      use_files(table.concat(lines, "\n"))
      assert.same({ "10.0.0.0" }, addresses_of(ask("host0")))
      assert.same({ "10.1.134.159" }, addresses_of(ask("host99999")))
    end)

    it("notices that the hosts file has changed", function()
      use_files("10.0.0.1 one")
      assert.same({ "10.0.0.1" }, addresses_of(ask("one")))
      files:write("hosts", "10.0.0.2 one")
      assert.is_truthy(task.timeout(5, function()
        while ask("one")[1].address ~= "10.0.0.2" do task.sleep(0.02) end
        return true
      end))
    end)

    it("lets other tasks and timers run between answers that need no wait", function()
      local is_late, count = false, 0
      local alarm = timer.after(0.05, function() is_late = true end)
      while not is_late and count < 1000000 do
        ask("127.0.0.1")
        count = count + 1
      end
      alarm:stop()
      assert.is_true(is_late)
    end)

    for name, text in pairs({
      [""] = "0 bytes",
      ["a..b"] = "0 bytes",
      [".a"] = "0 bytes",
      [("a"):rep(64) .. ".b"] = "64 bytes",
      [("a."):rep(127)] = false,
      [("a."):rep(127) .. "b"] = "255 bytes",
      ["a b"] = "0x20",
      ["a\nb"] = "0x0a",
      ["a\0b"] = "zero byte",
      ["a\\b"] = "0x5c",
      ["\195\164.b"] = "0xc3",
      ["a:53"] = "0x3a",
    }) do
      if text then
        it(("refuses the name %q"):format(name:sub(1, 20)), function()
          assert_failure("EBADNAME", text, ask(name))
          assert_failure("EBADNAME", text, query(name, "A"))
        end)
      end
    end
  end)

  describe("answers", function()
    it("have addresses with their TTL, 0 and the absurd ones too", function()
      serve({
        ["a.x"] = { answers = { A, record("A", "10.0.0.2", { ttl = 0 }), record("A", "10.0.0.3", { ttl = 2 ^ 32 - 1 }) } },
      })
      assert.same({
        { address = "10.0.0.1", family = "inet", ttl = 60 },
        { address = "10.0.0.2", family = "inet", ttl = 0 },
        { address = "10.0.0.3", family = "inet", ttl = 0 },
      }, ask("a.x"))
    end)

    it("of both families come together, IPv4 first", function()
      serve({ ["a.x"] = by_type({ A = { answers = { A } }, AAAA = { answers = { AAAA } } }) })
      local list, message = ask("a.x", { family = "any" })
      assert.same({ "10.0.0.1", "fd00::1" }, addresses_of(list))
      assert.is_nil(message)
      assert.equal("inet6", list[2].family)
    end)

    it("say nothing of a family that certainly has no address", function()
      serve({ ["a.x"] = by_type({ AAAA = { answers = { AAAA } } }) })
      local list, message = ask("a.x", { family = "any" })
      assert.same({ "fd00::1" }, addresses_of(list))
      assert.is_nil(message)
    end)

    it("that there is no such name are ENOTFOUND, with name, type and server", function()
      serve({})
      assert_failure("ENOTFOUND", "no such name: a.x A, asked " .. server.address, ask("a.x"))
    end)

    it("that there is no such record are ENODATA", function()
      serve({ ["a.x"] = {} })
      assert_failure("ENODATA", "no such record: a.x A/AAAA", ask("a.x", { family = "any" }))
    end)

    for name, rcode in pairs({ SERVFAIL = 2, NOTIMP = 4, REFUSED = 5 }) do
      it(("of %s are ESERVFAIL"):format(name), function()
        serve({ ["a.x"] = { rcode = rcode } })
        assert_failure("ESERVFAIL", "no server answered usefully: a.x A, asked " .. server.address, ask("a.x"))
      end)
    end

    it("of one family stand, with a message, when the other's is SERVFAIL", function()
      serve({ ["a.x"] = by_type({ A = { answers = { A } }, AAAA = { rcode = 2 } }) })
      local list, message = ask("a.x", { family = "any" })
      assert.same({ "10.0.0.1" }, addresses_of(list))
      assert.is_truthy(message:find("no server answered usefully: a.x AAAA", 1, true), message)
    end)

    it("of one family stand, with a message, when the other's does not come", function()
      serve({ ["a.x"] = by_type({ A = false, AAAA = { answers = { AAAA } } }) })
      local list, message = ask("a.x", { family = "any", timeout = 0.2 })
      assert.same({ "fd00::1" }, addresses_of(list))
      assert.equal(("no answer from %s to a.x A within 0.2 s"):format(server.address), message)
    end)

    it("are not certain when one family has none and the other is SERVFAIL", function()
      serve({ ["a.x"] = by_type({ AAAA = { rcode = 2 } }) })
      assert_failure("ESERVFAIL", "a.x", ask("a.x", { family = "any" }))
    end)

    it("that do not come are ETIMEDOUT after the whole timeout, with its length", function()
      serve({ ["a.x"] = SILENCE })
      local began = timer.now()
      assert_failure("ETIMEDOUT", ("no answer from %s to a.x A within 0.3 s"):format(server.address),
        ask("a.x", { timeout = 0.3 }))
      local took = timer.now() - began
      assert.is_true(took > 0.25 and took < 0.6, took)
      assert.equal(2, server:count("a.x"))
    end)

    it("are asked for as often as `tries` says, within the same timeout", function()
      serve({ ["a.x"] = SILENCE })
      local began = timer.now()
      assert_failure("ETIMEDOUT", "within 0.3 s", ask("a.x", { timeout = 0.3, tries = 4 }))
      assert.is_true(timer.now() - began < 0.6)
      assert.equal(4, server:count("a.x"))
    end)

    it("from nobody are ESERVFAIL at once", function()
      serve({}):stop()
      local began = timer.now()
      assert_failure("ESERVFAIL", server.address, ask("a.x", { timeout = 5 }))
      assert.is_true(timer.now() - began < 1)
    end)

    it("that are truncated are asked for again over TCP: 1,000 addresses", function()
      local answers = {}
      for i = 1, 1000 do answers[i] = record("A", ("10.0.%d.%d"):format(i / 256, i % 256)) end
      serve({
        ["a.x"] = function(question)
          return question.transport == "tcp" and { answers = answers } or { answers = { A }, truncated = true }
        end,
      })
      local list = assert(ask("a.x"))
      assert.equal(1000, #list)
      assert.equal("10.0.3.232", list[1000].address)
      assert.equal(1, server:count("a.x", "A", "tcp"))
    end)

    it("that are truncated and do not come over TCP are ETIMEDOUT after the timeout", function()
      serve({ ["a.x"] = function(question) return question.transport == "udp" and { truncated = true } or nil end })
      local began = timer.now()
      assert_failure("ETIMEDOUT", "within 0.3 s", ask("a.x", { timeout = 0.3 }))
      local took = timer.now() - began
      assert.is_true(took > 0.25 and took < 0.6, took)
    end)

    it("follow CNAMEs in any order and letter case, with the least TTL of the chain", function()
      serve({
        ["a.x"] = {
          answers = {
            record("A", "10.0.0.9", { owner = "C.x", ttl = 50 }),
            record("CNAME", "b.x", { ttl = 300 }),
            record("CNAME", "c.X", { owner = "B.X", ttl = 7 }),
            record("A", "10.0.0.8", { owner = "c.x", ttl = 5 }),
          },
        },
      })
      assert.same({
        { address = "10.0.0.9", family = "inet", ttl = 7 },
        { address = "10.0.0.8", family = "inet", ttl = 5 },
      }, ask("a.x"))
    end)

    it("whose CNAMEs lead in a loop are an error, not an empty answer", function()
      serve({ ["a.x"] = { answers = { record("CNAME", "b.x"), record("CNAME", "a.x", { owner = "b.x" }) } } })
      assert_failure("ESERVFAIL", "aliases lead in a loop: a.x", ask("a.x"))
    end)

    it("whose CNAME leads nowhere are ENODATA", function()
      serve({ ["a.x"] = { answers = { record("CNAME", "b.x") } } })
      assert_failure("ENODATA", "no such record: a.x", ask("a.x"))
    end)

    it("for another name are not taken", function()
      serve({ ["a.x"] = { answers = { record("A", "10.6.6.6", { owner = "evil.x" }), A } } })
      assert.same({ "10.0.0.1" }, addresses_of(ask("a.x")))
    end)

    it("with another id are not taken", function()
      serve({
        ["a.x"] = { { id = "\0\0", answers = { record("A", "10.6.6.6") } }, { id = "\1\1" }, { answers = { A } } },
      })
      assert.same({ "10.0.0.1" }, addresses_of(ask("a.x")))
    end)

    for what, reply in pairs({
      ["that promise more records than they have"] = { answers = { A }, count = 7 },
      ["with an address of two bytes"] = { answers = { record("A", nil, { raw = "\1\2" }) } },
      ["with a name that points at itself"] = { answers = { "\192\21" .. A:sub(3) } },
      ["with a name that points beyond the end"] = { answers = { "\255\255" .. A:sub(3) } },
      ["with a record that ends beyond the end"] = { answers = { A:sub(1, -2) } },
    }) do
      it(what .. " are ESERVFAIL and malformed", function()
        serve({ ["a.x"] = reply })
        assert_failure("ESERVFAIL", "malformed answer: a.x A", ask("a.x"))
      end)
    end

    it("of garbage are as good as none", function()
      serve({ ["a.x"] = function(question) return { "", "x", question.id, question.id .. ("\255"):rep(600) } end })
      assert_failure("ETIMEDOUT", "no answer", ask("a.x", { timeout = 0.2 }))
    end)
  end)

  describe("servers", function()
    it("that are dead cost a part of the timeout once, and nothing at the next look-ups", function()
      local dead = dns_server.start(setmetatable({}, { __index = function() return SILENCE end }))
      serve({ ["a.x"] = { answers = { A } } })
      local servers = { dead.address, server.address }
      local began = timer.now()
      assert.same({ "10.0.0.1" }, addresses_of(ask("a.x", { servers = servers, timeout = 1.2 })))
      assert.is_true(timer.now() - began < 0.35)
      for _ = 1, 5 do assert(ask("a.x", { servers = servers, timeout = 1.2 })) end
      assert.equal(1, #dead.questions)
      dead:stop()
    end)

    it("that say SERVFAIL or do not exist are passed over", function()
      local broken = dns_server.start({ ["a.x"] = { rcode = 2 } })
      local gone = dns_server.start({})
      gone:stop()
      serve({ ["a.x"] = { answers = { A } } })
      local list = ask("a.x", { servers = { gone.address, broken.address, server.address } })
      assert.same({ "10.0.0.1" }, addresses_of(list))
      broken:stop()
    end)

    it("may have IPv6 addresses", function()
      serve({ ["a.x"] = { answers = { A } } }, "::1")
      assert.is_truthy(server.address:find("[::1]:", 1, true))
      assert.same({ "10.0.0.1" }, addresses_of(ask("a.x")))
    end)

    for _, bad in ipairs({ "", "x", "1.2.3", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:5x", "[::1", "[::1]53", ":::" }) do
      it(("are refused when one is %q"):format(bad), function()
        serve({})
        local expected = ('bad server "%s": expected an address, address:port or [ipv6]:port'):format(bad)
        assert_failure("EINVAL", expected, ask("a.x", { servers = { server.address, bad } }))
      end)
    end

    it("of resolv.conf are asked when none are given, and again when it has changed", function()
      use_files("", "nameserver 127.0.0.2\n")
      local _, message = dns.addresses("a.x.", { timeout = 0.05 })
      assert.is_truthy(message:find("127.0.0.2:53", 1, true), message)
      files:write("resolv.conf", "# moved\nnameserver 127.0.0.3\nnameserver ::1\n")
      assert.is_truthy(task.timeout(5, function()
        repeat
          task.sleep(0.02)
          _, message = dns.addresses("a.x.", { timeout = 0.05 })
        until message:find("127.0.0.3:53, [::1]:53", 1, true)
        return true
      end))
    end)
  end)

  describe("search domains", function()
    local function questions()
      local names = {}
      for i, question in ipairs(server.questions) do names[i] = question.name end
      return names
    end

    before_each(function()
      use_files("", "domain ignored.x\nsearch one.x two.x.\noptions ndots:2\n")
      serve({ ["short.two.x"] = { answers = { A } }, ["a.b.c"] = { answers = { A } }, ["broken.one.x"] = { rcode = 2 } })
    end)

    it("complete a name with few dots, in their order", function()
      assert.same({ "10.0.0.1" }, addresses_of(ask("short")))
      assert.same({ "short.one.x", "short.two.x" }, questions())
    end)

    it("come after a name with `ndots` dots", function()
      assert(ask("a.b.c"))
      assert.same({ "a.b.c" }, questions())
      assert_failure("ENOTFOUND", "no such name: d.e.f A", ask("d.e.f"))
      assert.same({ "a.b.c", "d.e.f", "d.e.f.one.x", "d.e.f.two.x" }, questions())
    end)

    it("are passed over where they would make a name too long: 253 bytes are the most", function()
      local name = ("a."):rep(126) .. "b"
      assert_failure("ENOTFOUND", name, ask(name))
      assert.same({ name }, questions())
      local shorter = ("a."):rep(124)
      assert_failure("ENOTFOUND", shorter, ask(shorter .. "b"))
      assert.same({ name, shorter .. "b" }, questions())
    end)

    it("are left out after a trailing dot", function()
      assert_failure("ENOTFOUND", "no such name: short A", ask("short."))
      assert.same({ "short" }, questions())
    end)

    it("are left out by query()", function()
      assert_failure("ENOTFOUND", "no such name: short A", query("short", "A"))
      assert.same({ "short" }, questions())
    end)

    it("do not hide that one of them could not be asked", function()
      assert_failure("ESERVFAIL", "broken A", ask("broken", { tries = 1 }))
      assert.same({ "broken.one.x", "broken.two.x", "broken" }, questions())
    end)

    it("share one timeout", function()
      for _, name in ipairs({ "slow.one.x", "slow.two.x", "slow" }) do server.names[name] = SILENCE end
      local began = timer.now()
      assert_failure("ETIMEDOUT", "slow", ask("slow", { timeout = 0.3 }))
      assert.is_true(timer.now() - began < 0.6)
    end)
  end)

  describe("query", function()
    it("gives the records of each type with their fields", function()
      local records = {
        A = { record("A", "10.0.0.1", { ttl = 5 }) },
        AAAA = { record("AAAA", "fd00:0:0:0:0:0:0:1", { ttl = 5 }) },
        SRV = { record("SRV", { priority = 1, weight = 2, port = 4369, target = "b.x" }, { ttl = 5 }) },
        TXT = { record("TXT", { "one ", "", "two\0" }, { ttl = 5 }), record("TXT", { "" }, { ttl = 6 }) },
        PTR = { record("PTR", "b.x", { ttl = 5 }) },
        CNAME = { record("CNAME", "b.x", { ttl = 5 }) },
        MX = { record("MX", { priority = 10, target = "b.x" }, { ttl = 5 }) },
        NS = { record("NS", "", { ttl = 5 }) },
      }
      serve({ ["a.x"] = function(question) return { answers = records[question.type] } end })
      local expected = {
        A = { { address = "10.0.0.1", family = "inet", ttl = 5 } },
        AAAA = { { address = "fd00::1", family = "inet6", ttl = 5 } },
        SRV = { { target = "b.x", port = 4369, priority = 1, weight = 2, ttl = 5 } },
        TXT = { { text = "one two\0", ttl = 5 }, { text = "", ttl = 6 } },
        PTR = { { target = "b.x", ttl = 5 } },
        CNAME = { { target = "b.x", ttl = 5 } },
        MX = { { target = "b.x", priority = 10, ttl = 5 } },
        NS = { { target = ".", ttl = 5 } },
      }
      for kind, list in pairs(expected) do assert.same(list, query("a.x", kind)) end
    end)

    it("writes bytes of a label that would be misread as in a zone file", function()
      serve({ ["a.x"] = { answers = { record("PTR", nil, { raw = "\3a.b\3\\ \200\0" }) } } })
      assert.same({ { target = "a\\.b.\\\\\\032\\200", ttl = 60 } }, query("a.x", "PTR"))
    end)

    it("does not look into the hosts file", function()
      use_files("10.0.0.9 a.x")
      serve({ ["a.x"] = { answers = { A } } })
      assert.same({ "10.0.0.1" }, addresses_of(query("a.x", "A")))
    end)
  end)

  describe("tasks", function()
    it("look up side by side", function()
      serve({ ["a.x"] = { answers = { A } } })
      local looks = {}
      for i = 1, 300 do
        looks[i] = function() return (assert(ask(i % 3 == 0 and "a.x" or "a.x."))) end
      end
      local results = task.all(looks)
      assert.equal(300, #results)
      for _, list in ipairs(results) do assert.equal("10.0.0.1", list[1].address) end
    end)

    it("may go at any moment, and others get their answers", function()
      serve({ ["silent.x"] = SILENCE, ["a.x"] = { answers = { A } } })
      local owner = scope.new()
      for _ = 1, 20 do
        owner:spawn(ask, "silent.x", { timeout = 0.2 })
        owner:spawn(ask, "a.x", { timeout = 0.2 })
        owner:spawn(ask, "127.0.0.1")
      end
      local first = task.spawn(ask, "silent.x", { timeout = 0.2 })
      local second = task.spawn(ask, "a.x", { timeout = 0.2 })
      first:cancel()
      owner:close()
      assert.same({ "10.0.0.1" }, addresses_of((second:wait())))
      assert.same({ "10.0.0.1" }, addresses_of(ask("a.x", { timeout = 0.2 })))
    end)

    it("hear from the look-up, not from the scope that runs out of time", function()
      serve({ ["a.x"] = SILENCE })
      local list, message, code = task.timeout(0.4, ask, "a.x", { timeout = 5 })
      assert.is_nil(list)
      assert.equal("ETIMEDOUT", code)
      assert.is_truthy(message:find("no answer from " .. server.address, 1, true), message)
    end)
  end)

  describe("raises for", function()
    for what, case in pairs({
      ["a name that is no string"] = { "string expected", function() dns.addresses(5) end },
      ["an unknown option"] = { 'unknown option "timeot"', function() dns.addresses("a", { timeot = 1 }) end },
      ["a family of query()"] = { 'unknown option "family"', function() dns.query("a", "A", { family = "inet" }) end },
      ["an unknown family"] = { 'found "ipv4"', function() dns.addresses("a", { family = "ipv4" }) end },
      ["an unknown type"] = { "expected A, AAAA, SRV", function() dns.query("a", "ANY") end },
      ["a missing type"] = { "expected A, AAAA, SRV", function() dns.query("a") end },
      ["no time"] = { "expected 0.001 to 300, found 0", function() dns.addresses("a", { timeout = 0 }) end },
      ["endless time"] = { "expected 0.001 to 300", function() dns.addresses("a", { timeout = math.huge }) end },
      ["a timeout that is a string"] = { "expected a number", function() dns.addresses("a", { timeout = "1" }) end },
      ["half a try"] = { "expected 1 to 10, found 1.5", function() dns.addresses("a", { tries = 1.5 }) end },
      ["servers as a string"] = { "expected a list", function() dns.addresses("a", { servers = "127.0.0.1" }) end },
      ["no servers"] = { "expected a list of 1 to 8", function() dns.addresses("a", { servers = {} }) end },
      ["a server that is a number"] = { "at 1, found a number", function() dns.addresses("a", { servers = { 53 } }) end },
      ["endless text as a server"] = {
        "found a long text",
        function() dns.addresses("a", { servers = { ("1"):rep(1000) } }) end,
      },
      ["an unknown file"] = { 'unknown option "host"', function() dns.files({ host = "/etc/hosts" }) end },
    }) do
      it(what, function() assert.error_matches(case[2], case[1], 1, true) end)
    end
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
