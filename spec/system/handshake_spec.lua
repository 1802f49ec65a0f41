-- SPDX-License-Identifier: MIT
-- The handshake with nodes that we did not write: erl, and erl_call, which is in C.
local Erlang = require("support.erlang")
local crypto = require("engine.crypto")
local greeting = require("peerage.erlang.greeting")
local handshake = require("peerage.erlang.handshake")
local process = require("engine.process")
local task = require("engine.task")
local tcp = require("engine.tcp")

local FLAGS, PUBLISHED = handshake.FLAGS, handshake.PUBLISHED
local OURS, THEIRS, COOKIE = "a@127.0.0.1", "c@127.0.0.1", "the right one"
local PATIENCE = require("support.patience")
local MAP_TAG, DIGEST_FLAG = 0x20000, 0x4000000

local function u16(number) return string.char(math.floor(number / 256), number % 256) end

local function random_challenge()
  local number = 0
  for _, byte in ipairs({ crypto.random(4):byte(1, 4) }) do number = number * 256 + byte end
  return number
end

-- A spec's options over those that all have.
local function options_with(more)
  local options = {
    name = OURS, peer = THEIRS, cookie = COOKIE, creation = 4000000000, challenge = random_challenge(), flags = FLAGS,
    decide = function() return "ok" end,
  }
  for key, value in pairs(more or {}) do options[key] = value end
  return options
end

describe("a handshake with erl", function()
  if not Erlang.is_there() then return pending("erl is not installed") end

  local epmd, epmd_port, erl, streams, listener

  before_each(function()
    streams, listener, epmd_port = {}, nil, Erlang.free_port()
    epmd = Erlang.start_epmd(epmd_port)
    erl = Erlang.start({ name = THEIRS, cookie = COOKIE, epmd_port = epmd_port })
  end)

  after_each(function()
    for _, stream in ipairs(streams) do stream:close() end
    erl:stop()
    epmd:stop()
  end)

  local function keep(stream)
    streams[#streams + 1] = stream
    return stream
  end

  local function dial(more)
    local port = tonumber(erl:eval('erl_epmd:port_please("c", "127.0.0.1")'):match("^{port,(%d+),"))
    local stream = keep(assert(tcp.connect({ host = "127.0.0.1", port = port })))
    return greeting.run(handshake.dial(options_with(more)), stream), stream
  end

  -- A listener that EPMD knows by our name: names stay registered while that connection is open.
  local function listen()
    listener = keep(assert(tcp.listen({ host = "127.0.0.1" })))
    local _, port = listener:address()
    local registration = keep(assert(tcp.connect({ host = "127.0.0.1", port = epmd_port })))
    local request = "x" .. u16(port) .. "M\0" .. u16(6) .. u16(6) .. u16(1) .. "a" .. u16(0)
    assert(registration:write(u16(#request) .. request))
    assert.equal("v\0", assert(registration:read(6)):sub(1, 2))
  end

  -- Has one connection come in while `call` runs: the verdict, and what `call` gave.
  local function accept(more, call)
    if not listener then listen() end
    local guest = task.spawn(function()
      local stream = keep(assert(listener:accept()))
      local verdict = greeting.run(handshake.accept(options_with(more)), stream)
      if not verdict.ok then stream:close() end
      return verdict
    end)
    local result = call()
    return assert(task.timeout(PATIENCE, guest.wait, guest)), result
  end

  local function accept_erl(more)
    return accept(more, function() return erl:eval("net_kernel:connect_node('" .. OURS .. "')") end)
  end

  -- Its acknowledgement comes a moment before it counts us among its nodes.
  local function expect_known(visible, hidden)
    local wanted = ("{[%s], [%s]}"):format(visible, hidden)
    erl:eval(("Wait = fun W() -> {nodes(), nodes(hidden)} =:= %s orelse begin timer:sleep(10), W() end end, Wait()"):format(wanted))
  end

  describe("that we dial", function()
    it("makes us a hidden node of its, and tells its creation", function()
      local verdict = dial()
      assert.same({
        name = THEIRS, creation = tonumber(erl:eval("erts_internal:get_creation()")), flags = FLAGS, is_hidden = false,
      }, verdict.peer)
      expect_known("", "'a@127.0.0.1'")
    end)

    it("makes us a visible one when we say so", function()
      assert.is_true(dial({ flags = FLAGS + PUBLISHED }).ok)
      expect_known("'a@127.0.0.1'", "")
    end)

    it("fails for another cookie", function()
      local verdict = dial({ cookie = "the wrong one" })
      assert.equal("wrong cookie: all nodes need the same one, see cookie and cookie_file", verdict.message)
      expect_known("", "")
    end)

    it("is not allowed without the flags that it wants", function()
      local verdict = dial({ flags = FLAGS - MAP_TAG - DIGEST_FLAG })
      assert.same({ ok = false, reason = "not allowed", message = "not allowed: the node there refuses a@127.0.0.1" }, verdict)
    end)

    it("is a conflict when another was expected there", function()
      local verdict = dial({ peer = "d@127.0.0.1" })
      assert.equal("conflict: the node there is called c@127.0.0.1", verdict.message)
    end)

    it("leaves the link that is there, or makes a new one in its place", function()
      local _, old = dial()
      assert.equal("nok", dial({ is_wanted = function() return false end }).reason)
      expect_known("", "'a@127.0.0.1'")
      local verdict, new = dial()
      assert.is_true(verdict.ok)
      assert.equal("EOF", select(3, old:read()))
      expect_known("", "'a@127.0.0.1'")
      new:close()
    end)
  end)

  describe("that it dials", function()
    it("makes us a node of its, whatever we say to its name", function()
      for _, status in ipairs({ "ok", "ok_simultaneous", "alive" }) do
        local verdict, result = accept_erl({ decide = function() return status end })
        assert.equal("true", result)
        assert.same({
          name = THEIRS, creation = tonumber(erl:eval("erts_internal:get_creation()")), flags = FLAGS, is_hidden = false,
        }, verdict.peer)
        expect_known("", "'a@127.0.0.1'")
        erl:eval("net_kernel:disconnect('a@127.0.0.1')")
        expect_known("", "")
      end
    end)

    it("fails for another cookie", function()
      local verdict, result = accept_erl({ cookie = "the wrong one" })
      assert.equal("wrong cookie", verdict.reason)
      assert.equal("false", result)
    end)

    it("fails when we do not allow it", function()
      local verdict, result = accept_erl({ decide = function() return "not_allowed" end })
      assert.equal("not allowed: c@127.0.0.1 is refused here", verdict.message)
      assert.equal("false", result)
    end)

    it("is broken off by it when we lack flags", function()
      local verdict, result = accept_erl({ flags = FLAGS - MAP_TAG - DIGEST_FLAG })
      assert.equal("closed: by the other side, in answer to our challenge: it may want other flags", verdict.message)
      assert.equal("false", result)
    end)

    it("fails for a node that wants to be given a name", function()
      local nameless = Erlang.start({ name = "undefined@127.0.0.1", cookie = COOKIE, epmd_port = epmd_port })
      finally(function() nameless:stop() end)
      local verdict, result = accept({}, function() return nameless:eval("net_kernel:connect_node('" .. OURS .. "')") end)
      assert.equal("not allowed: it asks to be given a name, which is not supported", verdict.message)
      assert.equal("false", result)
    end)
  end)

  describe("of C", function()
    local function call(cookie)
      local result = assert(process.run({
        "erl_call", "-v", "-c", cookie, "-n", OURS, "-timeout", 5, "-a", "erlang node", env = { ERL_EPMD_PORT = epmd_port },
      }))
      return result.stderr .. result.stdout
    end

    it("is a link, too", function()
      local verdict, output = accept({}, function() return call(COOKIE) end)
      assert.is_true(verdict.ok, verdict.message)
      assert.is_true(verdict.peer.is_hidden)
      assert.truthy(output:find("we are now connected", 1, true), output)
    end)

    it("fails for another cookie", function()
      local verdict, output = accept({}, function() return call("wrong") end)
      assert.equal("wrong cookie", verdict.reason)
      assert.truthy(output:find("failed to connect", 1, true), output)
    end)
  end)
end)
