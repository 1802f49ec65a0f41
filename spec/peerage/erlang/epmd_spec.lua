-- SPDX-License-Identifier: MIT
-- The client of EPMD against one that says what the spec tells it to say.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local Server = require("peerage.erlang.epmd.server")
local epmd = require("peerage.erlang.epmd")
local log = require("engine.log")
local scopes = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")

local HOST = "127.0.0.1"

describe("the client of EPMD", function()
  local scope, listener, port, heard

  -- Answers each connection with `reply`, in pieces of so many bytes; then closes, unless it is to stay silent.
  local function serve(reply, piece, stays)
    local it = assert(tcp.listen({ host = HOST }))
    listener, port, heard = it, select(2, it:address()), {}
    scope:spawn(function()
      for stream in function() return (it:accept()) end do
        heard[#heard + 1] = stream:read()
        for at = 1, #reply, piece or #reply do
          stream:write(reply:sub(at, at + (piece or #reply) - 1))
          if piece then task.sleep(0.002) end
        end
        if not stays then stream:close() end
      end
    end)
  end

  before_each(function() scope = scopes.new() end)
  after_each(function()
    scope:close()
    if listener then listener:close() end
    listener = nil
  end)

  local function port_of(timeout) return epmd.port_of("b", HOST, { port = port, timeout = timeout }) end

  it("asks as the protocol says", function()
    serve("w\1")
    port_of()
    epmd.names(HOST, { port = port })
    epmd.register({ name = "b", port = 5000, hidden = true }, { port = port })
    assert.same({ "\0\2zb", "\0\1n", "\0\14\120\19\136\72\0\0\6\0\6\0\1b\0\0" }, heard)
  end)

  it("takes an answer that comes byte by byte", function()
    serve("w\0\19\136\77\0\0\6\0\5\0\1b\0\0", 1)
    assert.equal(5000, port_of())
    listener:close()
    serve("\0\0\17\17name a at port 1\nname b at port 22\n", 1)
    assert.same({ { name = "a", port = 1 }, { name = "b", port = 22 } }, epmd.names(HOST, { port = port }))
  end)

  it("says that a name is not registered, in words that name the EPMD", function()
    serve("w\1")
    local found, message, code = port_of()
    assert.is_nil(found)
    assert.equal("ENOTFOUND", code)
    assert.equal(("epmd at 127.0.0.1:%d: it knows no node of that name"):format(port), message)
  end)

  it("says that nobody answers there", function()
    serve("")
    listener:close()
    local _, message, code = port_of()
    assert.equal("ECONNREFUSED", code)
    assert.equal(("epmd at 127.0.0.1:%d: connection refused"):format(port), message)
  end)

  it("does not take a host that there is not for a name that is not registered", function()
    local connect = tcp.connect
    for _, of_dns in ipairs({ "ENOTFOUND", "ENODATA" }) do
      tcp.connect = function() return nil, "cannot connect to nowhere:1: no such name: nowhere A/AAAA", of_dns end
      local _, message, code = epmd.port_of("b", "nowhere", { port = 1 })
      tcp.connect = connect
      assert.same({ "epmd at nowhere:1: no such name: nowhere A/AAAA", "EHOSTUNREACH" }, { message, code })
    end
  end)

  local BAD = {
    ["another protocol's answer"] = { "HTTP/1.1 400", "it answered with tag 72, expected 119", "EPROTO" },
    ["an answer that ends too soon"] = { "w\0\19", "closed before the end of its answer", "EOF" },
    ["no answer"] = { "", "closed before the end of its answer", "EOF" },
  }
  for what, case in pairs(BAD) do
    it("says what is wrong with " .. what, function()
      serve(case[1])
      local _, message, code = port_of()
      assert.same({ ("epmd at 127.0.0.1:%d: %s"):format(port, case[2]), case[3] }, { message, code })
    end)
  end

  it("does not take port 0 for a port", function()
    serve("w\0\0\0\77\0\0\6\0\5\0\1b\0\0")
    assert.same({ "b is registered with port 0, expected 1 to 65535", "EPROTO" }, { select(2, port_of()) })
  end)

  it("refuses nodes that are too old, and too new", function()
    local words = "b speaks version %d to %d of the distribution protocol, expected 6 (OTP 23 or newer)"
    for _, versions in ipairs({ { 5, 5 }, { 7, 9 } }) do
      serve("w\0\19\136\77\0\0" .. string.char(versions[2]) .. "\0" .. string.char(versions[1]) .. "\0\1b\0\0")
      assert.same({ words:format(versions[1], versions[2]), "EPROTO" }, { select(2, port_of()) })
      listener:close()
    end
  end)

  it("gives up after its time, whether there is silence or half an answer", function()
    for _, reply in ipairs({ "", "w\0\19\136" }) do
      serve(reply, nil, true)
      local started = timer.now()
      local _, message, code = port_of(0.1)
      assert.equal("ETIMEDOUT", code)
      assert.equal(("epmd at 127.0.0.1:%d: timed out after 0.1 s"):format(port), message)
      assert.is_true(timer.now() - started < 20)
      listener:close()
    end
  end)

  it("does not take more of a list of names than a megabyte", function()
    serve("\0\0\17\17" .. ("name abcdefghijklmnop at port 12345\n"):rep(40000))
    local names, message, code = epmd.names(HOST, { port = port })
    assert.is_nil(names)
    assert.equal("EMSGSIZE", code)
    assert.is_truthy(message:find("its list of names is longer than 1048576 bytes", 1, true), message)
  end)

  it("raises for a name that is none", function()
    assert.error_matches(function() epmd.port_of("", HOST) end, "expected a name of 1 to 255 bytes, found $")
    assert.error_matches(function() epmd.register({ port = 1 }) end, "expected a name of 1 to 255 bytes, found nil")
    assert.error_matches(function() epmd.register({ name = ("n"):rep(256), port = 1 }) end, "expected a name of 1 to 255 bytes")
  end)

  it("keeps nothing open but a registration", function()
    local server = assert(Server.start({ port = 0, scope = scope, log = log }))
    local options, before = { port = server.port }, scopes.handles()
    local stream = assert(epmd.register({ name = "b", port = 5000 }, options))
    assert.equal(before + 2, scopes.handles()) -- and the server's end
    for _ = 1, 5 do
      epmd.port_of("b", HOST, options)
      epmd.port_of("c", HOST, options)
      epmd.names(HOST, options)
      epmd.register({ name = "b", port = 5000 }, options)
    end
    task.timeout(30, function()
      while scopes.handles() > before + 2 do task.sleep(0.001) end
    end)
    assert.equal(before + 2, scopes.handles())
    stream:close()
  end)

  describe("finds EPMD's port", function()
    local folder

    before_each(function() folder = Folder.new() end)
    after_each(function() folder:remove() end)

    -- In a process of its own, since the variable is one of the process.
    local function said(value)
      local script = folder:write("script.lua", 'print("said", require("peerage.erlang.epmd").default_port())')
      local daemon = Daemon.start({ "run", script }, { env = { ERL_EPMD_PORT = value } })
      local line = daemon:expect("said\t"):gsub("said\t", "")
      daemon:wait()
      return line
    end

    it("in ERL_EPMD_PORT, else it is 4369", function()
      assert.equal("4370", said("4370"))
      assert.equal("4369", said(""))
    end)

    it("and says that ERL_EPMD_PORT is no port", function()
      for _, value in ipairs({ "0", "65536", "x", "-1", "1.5", "0x10" }) do
        assert.equal(('nil\tthe environment variable ERL_EPMD_PORT is "%s", expected a port from 1 to 65535\tEINVAL'):format(value),
          said(value))
      end
    end)
  end)
end)
