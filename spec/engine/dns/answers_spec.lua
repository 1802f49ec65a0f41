-- SPDX-License-Identifier: MIT
local task = require("engine.task")
local timer = require("engine.timer")

local dns_client = require("support.dns_client")
local dns_server = require("support.dns_server")

local addresses_of, assert_failure = dns_client.addresses_of, dns_client.assert_failure
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

describe("DNS answers", function()
  local client

  before_each(function() client = dns_client.new() end)
  after_each(function() client:stop() end)

  local function serve(...) return client:serve(...) end
  local function ask(...) return client:ask(...) end

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

  it("cost little more when each byte of their names must be escaped", function()
    local function u16(number) return string.char(math.floor(number / 256), number % 256) end
    local function cost_of(byte)
      local long = "\63" .. byte:rep(63)
      local behaviour = function(question)
        if question.transport == "udp" then return { truncated = true } end
        local first = long:rep(3) .. "\59" .. byte:rep(59) .. "\0"
        local pointer, rest = "\192" .. string.char(12 + #question.section), u16(1) .. u16(1) .. ("\0"):rep(6)
        local answers = { first .. rest }
        for i = 15, 1, -1 do
          answers[#answers + 1] = record("CNAME", "c" .. i + 1, { owner = i == 1 and "a.x" or "c" .. i })
        end
        for i = #answers + 1, 5000 do answers[i] = pointer .. rest end
        return { answers = answers }
      end
      local server = serve({ ["a.x"] = behaviour })
      local before = os.clock()
      assert_failure("ENODATA", "no such record", ask("a.x"))
      local cost = os.clock() - before
      server:stop()
      return cost
    end
    cost_of("a")
    local plain, escaped = cost_of("a"), cost_of("\1")
    assert(escaped < 8 * plain, ("%g s, %g s when escaped"):format(plain, escaped))
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
    assert_failure("ENOTFOUND", "no such name: a.x A, asked " .. client.server.address, ask("a.x"))
  end)

  it("that there is no such record are ENODATA", function()
    serve({ ["a.x"] = {} })
    assert_failure("ENODATA", "no such record: a.x A/AAAA", ask("a.x", { family = "any" }))
  end)

  for name, rcode in pairs({ SERVFAIL = 2, NOTIMP = 4, REFUSED = 5 }) do
    it(("of %s are ESERVFAIL"):format(name), function()
      serve({ ["a.x"] = { rcode = rcode } })
      assert_failure("ESERVFAIL", "no server answered usefully: a.x A, asked " .. client.server.address, ask("a.x"))
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
    local list, message = ask("a.x", { family = "any", timeout = 1 })
    assert.same({ "fd00::1" }, addresses_of(list))
    assert.equal(("no answer from %s to a.x A within 1 s"):format(client.server.address), message)
  end)

  it("are not certain when one family has none and the other is SERVFAIL", function()
    serve({ ["a.x"] = by_type({ AAAA = { rcode = 2 } }) })
    assert_failure("ESERVFAIL", "a.x", ask("a.x", { family = "any" }))
  end)

  it("that do not come are ETIMEDOUT after the whole timeout, with its length", function()
    serve({ ["a.x"] = SILENCE })
    local began = timer.now()
    assert_failure("ETIMEDOUT", ("no answer from %s to a.x A within 1 s"):format(client.server.address),
      ask("a.x", { timeout = 1 }))
    local took = timer.now() - began
    assert.is_true(took > 0.9 and took < 2, took)
    assert.equal(2, client.server:count("a.x"))
  end)

  it("are asked for as often as `tries` says, within the same timeout", function()
    serve({ ["a.x"] = SILENCE })
    local began = timer.now()
    assert_failure("ETIMEDOUT", "within 1 s", ask("a.x", { timeout = 1, tries = 4 }))
    assert.is_true(timer.now() - began < 2)
    assert.equal(4, client.server:count("a.x"))
  end)

  it("from nobody are ESERVFAIL at once", function()
    serve({}):stop()
    local began = timer.now()
    assert_failure("ESERVFAIL", client.server.address, ask("a.x", { timeout = 60 }))
    assert.is_true(timer.now() - began < 10)
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
    assert.equal(1, client.server:count("a.x", "A", "tcp"))
  end)

  it("that are truncated and do not come over TCP are ETIMEDOUT after the timeout", function()
    serve({ ["a.x"] = function(question) return question.transport == "udp" and { truncated = true } or nil end })
    local began = timer.now()
    assert_failure("ETIMEDOUT", "within 1 s", ask("a.x", { timeout = 1 }))
    local took = timer.now() - began
    assert.is_true(took > 0.9 and took < 2, took)
  end)

  it("that are truncated late do not outlast the timeout over TCP", function()
    local asked = 0
    serve({
      ["a.x"] = function(question)
        asked = asked + 1
        if question.transport == "tcp" or asked == 1 then return nil end
        task.sleep(0.6)
        return { truncated = true }
      end,
    })
    local began = timer.now()
    assert_failure("ETIMEDOUT", "within 1.2 s", ask("a.x", { timeout = 1.2 }))
    local took = timer.now() - began
    assert.is_true(took < 2, took)
    assert.equal(1, client.server:count("a.x", "A", "tcp"))
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
