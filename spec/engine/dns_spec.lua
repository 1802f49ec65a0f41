-- SPDX-License-Identifier: MIT
local dns = require("engine.dns")
local fs = require("engine.fs")
local scope = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local dns_client = require("support.dns_client")
local dns_server = require("support.dns_server")

local addresses_of, assert_failure = dns_client.addresses_of, dns_client.assert_failure
local record = dns_server.record
local A = record("A", "10.0.0.1")
local SILENCE = function() return nil end

describe("engine.dns", function()
  local client

  before_each(function() client = dns_client.new() end)
  after_each(function() client:stop() end)

  local function serve(...) return client:serve(...) end
  local function ask(...) return client:ask(...) end
  local function query(...) return client:query(...) end

  it("leaves descriptors their turn while a task asks without end what cannot even be sent", function()
    local reads, stop = 0, os.clock() + 0.2
    local asker = task.spawn(function()
      while os.clock() < stop do
        local _, _, code = query("x", "A", { servers = { "255.255.255.255" } })
        assert.equal("ESERVFAIL", code)
      end
    end)
    while os.clock() < stop do
      assert(fs.stat("/"))
      reads = reads + 1
    end
    asker:wait()
    assert(reads > 20, reads)
  end)

  describe("without a query", function()
    before_each(function() serve({ ["localhost"] = { answers = { A } }, ["a.localhost"] = { answers = { A } } }) end)
    after_each(function() assert.equal(0, #client.server.questions) end)

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
      client:use_files("# 10.9.9.9 one\n10.0.0.1\tOne  alias # two\r\n\nfe80::7%eth0 one\nnonsense one\n300.0.0.1 one\n10.0.0.2 one.")
      assert.same({ "10.0.0.1", "fe80::7", "10.0.0.2" }, addresses_of(ask("oNE", { family = "any" })))
      assert.same({ "10.0.0.1", "10.0.0.2" }, addresses_of(ask("one.", { family = "inet" })))
      assert.same({ "10.0.0.1" }, addresses_of(ask("alias", { family = "any" })))
    end)

    it("finds a name among 100,000 lines", function()
      local lines = {}
      for i = 0, 99999 do
        lines[i + 1] = ("10.%d.%d.%d host%d"):format(i / 65536, i / 256 % 256, i % 256, i)
      end
      client:use_files(table.concat(lines, "\n"))
      assert.same({ "10.0.0.0" }, addresses_of(ask("host0")))
      assert.same({ "10.1.134.159" }, addresses_of(ask("host99999")))
    end)

    it("notices that the hosts file has changed", function()
      client:use_files("10.0.0.1 one")
      assert.same({ "10.0.0.1" }, addresses_of(ask("one")))
      client.files:write("hosts", "10.0.0.2 one")
      assert.is_truthy(task.timeout(30, function()
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
      ["a.."] = "0 bytes",
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

  describe("search domains", function()
    local function questions()
      local names = {}
      for i, question in ipairs(client.server.questions) do names[i] = question.name end
      return names
    end

    before_each(function()
      client:use_files("", "domain ignored.x\nsearch one.x two.x.\noptions ndots:2\n")
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
      for _, name in ipairs({ "slow.one.x", "slow.two.x", "slow" }) do client.server.names[name] = SILENCE end
      local began = timer.now()
      assert_failure("ETIMEDOUT", "slow", ask("slow", { timeout = 1 }))
      assert.is_true(timer.now() - began < 2)
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
      client:use_files("10.0.0.9 a.x")
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
        owner:spawn(ask, "a.x", { timeout = 10 })
        owner:spawn(ask, "127.0.0.1")
      end
      local first = task.spawn(ask, "silent.x", { timeout = 0.2 })
      local second = task.spawn(ask, "a.x", { timeout = 10 })
      first:cancel()
      owner:close()
      assert.same({ "10.0.0.1" }, addresses_of((second:wait())))
      assert.same({ "10.0.0.1" }, addresses_of(ask("a.x", { timeout = 10 })))
    end)

    it("ask more servers and timings at a time than there are channels", function()
      serve({ ["a.x"] = { answers = { A } } })
      local looks = {}
      for i = 1, 60 do
        looks[i] = function() return (assert(ask("a.x", { timeout = 10 + i % 30 / 10, tries = 1 + i % 2 }))) end
      end
      assert.equal(60, #task.all(looks))
    end)

    it("ask more of them while others are waited for, and all get their own answer", function()
      serve({ ["a.x"] = { answers = { A } }, ["silent.x"] = SILENCE })
      local waiting = {}
      for i = 1, 20 do waiting[i] = task.spawn(ask, "silent.x", { timeout = i <= 10 and 0.5 or 0.6, tries = i % 10 + 1 }) end
      for i = 1, 40 do assert(ask("a.x", { timeout = 10 + i % 20 / 10, tries = 1 + i % 2 })) end
      for _, look in ipairs(waiting) do assert.equal("ETIMEDOUT", (select(3, look:wait()))) end
      for i = 1, 20 do assert(ask("a.x", { timeout = 10 + i / 10, tries = 1 })) end
    end)

    it("are refused at once when 10,000 wait for the same servers", function()
      serve({ ["a.x"] = SILENCE })
      local owner, refused = scope.new(), task.queue()
      for _ = 1, 10001 do
        owner:spawn(function() refused:push({ ask("a.x", { timeout = 60 }) }) end)
      end
      local first = assert(task.timeout(30, refused.pop, refused))
      assert_failure("EAGAIN", "10000 look-ups wait for " .. client.server.address, unpack(first, 1, 3))
      owner:close()
    end)

    it("may change an options table between two look-ups", function()
      serve({ ["a.x"] = SILENCE, ["b.x"] = { answers = { A } } })
      local gone = dns_server.start({})
      gone:stop()
      local options = { timeout = 0.05, tries = 1 }
      assert_failure("ETIMEDOUT", "within 0.05 s", ask("a.x", options))
      options.timeout = 0.1
      assert_failure("ETIMEDOUT", "within 0.1 s", ask("a.x", options))
      options.timeout, options.servers[1] = 10, gone.address
      assert_failure("ESERVFAIL", gone.address, ask("b.x", options))
      options.tries = 11
      assert.error_matches(function() ask("b.x", options) end, "expected 1 to 10, found 11", 1, true)
    end)

    it("hear from the look-up, not from the scope that runs out of time", function()
      serve({ ["a.x"] = SILENCE })
      local list, message, code = task.timeout(3, ask, "a.x", { timeout = 5 })
      assert.is_nil(list)
      assert.equal("ETIMEDOUT", code)
      assert.is_truthy(message:find("no answer from " .. client.server.address, 1, true), message)
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
end)
