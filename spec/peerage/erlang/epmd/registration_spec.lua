-- SPDX-License-Identifier: MIT
-- Who keeps a name registered: with a server of ours, with its own, and with one that goes away.
local Registration = require("peerage.erlang.epmd.registration")
local Server = require("peerage.erlang.epmd.server")
local Erlang = require("support.erlang")
local epmd = require("peerage.erlang.epmd")
local log = require("engine.log")
local scopes = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")

local HOST = "127.0.0.1"

describe("a registration with EPMD", function()
  local scope, port, lines

  before_each(function()
    scope, port, lines = scopes.new(), Erlang.free_port(), {}
    log.capture(function(level, _, message) lines[#lines + 1] = { level = level, message = message } end)
  end)
  after_each(function()
    log.capture(nil)
    scope:close()
  end)

  local function start(name, mode, hidden)
    return Registration.start({
      name = name, port = 5000, hidden = hidden, mode = mode or "auto", epmd_port = port, scope = scope, log = log,
    })
  end

  local function serve() return (assert(Server.start({ port = port, scope = scope, log = log }))) end

  local function await(is_so, seconds)
    local started = timer.now()
    assert.is_true(task.timeout(seconds or 30, function()
      while not is_so() do task.sleep(0.002) end
      return true
    end))
    return timer.now() - started
  end

  local function has_said(level, text)
    local count = 0
    for _, line in ipairs(lines) do
      if line.level == level and line.message:find(text, 1, true) then count = count + 1 end
    end
    return count
  end

  local function registered()
    local names = {}
    for i, node in ipairs(epmd.names(HOST, { port = port }) or {}) do names[i] = node.name end
    return table.concat(names, " ")
  end

  it("is made with the EPMD that is there", function()
    local server = serve()
    local registration = assert(start("a", "auto", true))
    assert.is_true(registration:is_registered())
    assert.equal("a", registered())
    assert.equal(72, server.entries.a.type)
    assert.equal(0, has_said("info", "epmd is served here"))
    assert.equal(1, has_said("info", "registered with epmd"))
    assert.same({ registered = 1, lost = 0 }, registration:counters())
    registration:close()
    assert.is_false(registration:is_registered())
    await(function() return registered() == "" end)
  end)

  it("is made with an EPMD of its own where there is none, which others can use", function()
    local first = assert(start("a"))
    assert.equal(1, has_said("info", "epmd is served here"))
    local second = assert(start("b"))
    assert.equal(1, has_said("info", "epmd is served here"))
    assert.equal("a b", registered())
    assert.equal(2, first:counters().names)
    assert.is_nil(second:counters().names)
    second:close()
    first:close()
    assert.equal("ECONNREFUSED", select(3, epmd.names(HOST, { port = port })))
  end)

  it("is made with the EPMD of another who began to serve in the same moment", function()
    local listen = tcp.listen
    tcp.listen = function(...)
      tcp.listen = listen
      serve()
      return listen(...)
    end
    local registration = assert(start("a"))
    assert.is_true(registration:is_registered())
    assert.is_nil(registration:counters().names)
    assert.equal("a", registered())
  end)

  it("says that the name is in use, and leaves nothing behind", function()
    local server, handles = serve(), scopes.handles()
    local other = assert(epmd.register({ name = "a", port = 1 }, { port = port }))
    local registration, message, code = start("a")
    assert.is_nil(registration)
    assert.equal("EEXIST", code)
    assert.equal(("epmd at 127.0.0.1:%d: the name is in use"):format(port), message)
    assert.equal(1, server:counters()["name in use"]) -- asked once: where one answers, none tries to serve
    other:close()
    await(function() return server:counters().names == 0 and scopes.handles() == handles end)
  end)

  it("is waited for where there is no EPMD and it is not to serve", function()
    local registration = assert(start("a", "client"))
    assert.is_false(registration:is_registered())
    assert.equal(1, has_said("warn", ("not registered, and trying again: epmd at 127.0.0.1:%d: connection refused"):format(port)))
    task.sleep(0.3)
    assert.equal(1, has_said("warn", "connection refused"))
    local server = serve()
    await(function() return registration:is_registered() end)
    assert.equal("a", registered())
    assert.equal(1, server:counters().names)
    assert.equal(1, has_said("info", "registered with epmd"))
  end)

  it("is made again when that EPMD goes away, with one of its own", function()
    local server = serve()
    local registration = assert(start("a"))
    server:close()
    assert.is_true(await(function() return registered() == "a" end) < 5)
    assert.equal(1, has_said("warn", "epmd ended the registration, which is made again: it is gone"))
    assert.equal(1, has_said("info", "epmd is served here"))
    assert.equal(2, registration:counters().registered)
    assert.equal(1, registration:counters().lost)
  end)

  it("is made again by each of twenty when the one that serves goes away, and one of them serves then", function()
    local list, names = {}, {}
    for i = 1, 21 do
      list[i] = assert(start(("n%02d"):format(i)))
      names[i] = ("n%02d"):format(i)
    end
    list[1]:close()
    table.remove(names, 1)
    local all = table.concat(names, " ")
    assert.is_true(await(function() return registered() == all end) < 10)
    assert.equal(2, has_said("info", "epmd is served here"))
    local serving = 0
    for i = 2, 21 do serving = serving + (list[i].server and 1 or 0) end
    assert.equal(1, serving)
  end)

  it("is tried again while another has taken the name meanwhile, which is an error in the log once", function()
    local server = serve()
    local registration = assert(start("a"))
    server:close()
    local entries = serve().entries
    entries.a = { name = "a", port = 1 } -- before the registration can be made again
    await(function() return has_said("error", "the name is in use") == 1 end)
    task.sleep(0.5)
    assert.equal(1, has_said("error", "the name is in use"))
    assert.is_false(registration:is_registered())
    entries.a = nil
    await(function() return registration:is_registered() end)
    assert.equal(5000, epmd.port_of("a", HOST, { port = port }))
  end)

  it("is not tried ever faster with an EPMD that ends it each time", function()
    local tries = 0
    local listener = assert(tcp.listen({ host = HOST, port = port }))
    scope:spawn(function()
      for stream in function() return (listener:accept()) end do
        tries = tries + 1
        stream:read()
        stream:write("v\0\0\0\0\9")
        stream:close()
      end
    end)
    assert(start("a"))
    local took = await(function() return tries == 5 end) -- after 0.1, 0.2, 0.4, 0.8 s
    assert.is_true(took > 0.9, took)
  end)

  it("is tried again where it may not listen, and says so", function()
    local listen = tcp.listen
    tcp.listen = function() return nil, "cannot listen on 0.0.0.0:1: permission denied", "EACCES" end
    local registration = assert(start("a"))
    tcp.listen = listen
    assert.is_false(registration:is_registered())
    assert.equal(1, has_said("warn", "not registered, and trying again: cannot listen on 0.0.0.0:1: permission denied"))
    await(function() return registration:is_registered() end)
  end)

  it("ends with its scope", function()
    assert(start("a"))
    scope:close()
    assert.equal("ECONNREFUSED", select(3, epmd.names(HOST, { port = port })))
    assert.equal("ECANCELED", select(3, start("a")))
  end)

  it("raises for a mode that there is not", function()
    assert.error_matches(function() start("a", "server") end, "expected the mode auto or client, found server")
  end)
end)
