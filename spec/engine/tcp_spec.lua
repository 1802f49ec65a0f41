-- SPDX-License-Identifier: MIT
-- TCP and Unix sockets: connecting, reading and writing, and all the ways in which these end.
local dns = require("engine.dns")
local fs = require("engine.fs")
local folder = require("support.folder")
local process = require("engine.process")
local scopes = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")

local function listen(options)
  local listener = assert(tcp.listen(options or { host = "127.0.0.1" }))
  return listener, select(2, listener:address())
end

-- Two ends of one connection, and its listener.
local function pair(options)
  local listener, port = listen(options)
  local accepting = task.spawn(function() return assert(listener:accept()) end)
  local near = assert(tcp.connect(options and options.path and { path = options.path } or { host = "127.0.0.1", port = port }))
  local far = accepting:wait()
  finally(function()
    near:close()
    far:close()
    listener:close()
  end)
  return near, far, listener
end

-- Runs a script in an engine of its own, started by the words of `command` before it.
local function run_script(text, command)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  for _, word in ipairs({ fs.realpath("/proc/self/exe"), "run", path }) do command[#command + 1] = word end
  command.timeout = 60
  local ended = assert(process.run(command))
  os.remove(path)
  return ended
end

-- Connects until the backlog, of 1, is full: who comes next gets no answer.
local function fill(port)
  local streams, misses = {}, 0 -- one miss may be this host's slowness
  while misses < 2 do
    local stream = tcp.connect({ host = "127.0.0.1", port = port, timeout = 0.1 })
    streams[#streams + 1] = stream
    misses = stream and 0 or misses + 1
  end
  finally(function()
    for _, stream in ipairs(streams) do stream:close() end
  end)
end

-- Lets everything that is ready run.
local function breathe()
  for _ = 1, 5 do task.sleep(0.001) end
end

describe("tcp.connect", function()
  it("reaches a listener and both know each other's address", function()
    local near, far, listener = pair()
    assert.same({ near:address() }, { far:peer() })
    assert.same({ near:peer() }, { listener:address() })
    assert.same({ listener:address() }, { far:address() })
  end)

  it("reaches an IPv6 listener", function()
    local listener, port = listen({ host = "::1" })
    local stream = assert(tcp.connect({ host = "::1", port = port }))
    assert.same({ "::1", port }, { stream:peer() })
    stream:close()
    listener:close()
  end)

  it("says where nobody listens", function()
    local listener, port = listen()
    listener:close()
    local stream, message, code = tcp.connect({ host = "127.0.0.1", port = port })
    assert.is_nil(stream)
    assert.equal(("cannot connect to 127.0.0.1:%d: connection refused"):format(port), message)
    assert.equal("ECONNREFUSED", code)
    stream, message, code = tcp.connect({ host = "::1", port = port })
    assert.is_nil(stream)
    assert.equal(("cannot connect to [::1]:%d: connection refused"):format(port), message)
    assert.equal("ECONNREFUSED", code)
  end)

  it("says that there is no way to an address", function()
    local stream, message, code = tcp.connect({ host = "255.255.255.255", port = 9 })
    assert.is_nil(stream)
    assert.equal("cannot connect to 255.255.255.255:9: network is unreachable", message)
    assert.equal("ENETUNREACH", code)
  end)

  it("says that a zone is not there", function()
    local stream, message, code = tcp.connect({ host = "fe80::1%nowhere0", port = 9 })
    assert.is_nil(stream)
    assert.equal("cannot connect to [fe80::1%nowhere0]:9: no such device", message)
    assert.equal("ENODEV", code)
  end)

  it("raises for wrong options, before anything is asked or opened", function()
    for text, options in pairs({
      ["found neither"] = { port = 1 },
      ["found both"] = { host = "::1", path = "/x" },
      ['unknown option "prot"'] = { host = "::1", prot = 1 },
      ['option "port": expected an integer from 1 to 65535, found none'] = { host = "no.such.name.invalid" },
      ['option "port": expected an integer from 0 to 65535, found 65536'] = { host = "::1", port = 65536 },
      ['option "port": expected an integer from 0 to 65535, found 1.5'] = { host = "::1", port = 1.5 },
      ['option "port": expected a number, found a string'] = { host = "::1", port = "80" },
      ['option "host": expected text without zero bytes'] = { host = "a\0b", port = 1 },
      ['option "path": expected text without zero bytes, found ""'] = { path = "" },
      ['option "keepalive": expected an integer from 1 to 32767, found 0'] = { host = "::1", port = 1, keepalive = 0 },
      ['option "user_timeout": expected an integer from 1 to 86400, found nan'] = { host = "::1", port = 1, user_timeout = 0 / 0 },
      ['option "timeout": expected a number, found a string'] = { host = "::1", port = 1, timeout = "5" },
      ['option "timeout": expected seconds above 0, found 0'] = { host = "::1", port = 1, timeout = 0 },
      ['option "timeout": expected seconds above 0, found nan'] = { host = "::1", port = 1, timeout = 0 / 0 },
    }) do
      local ok, message = pcall(tcp.connect, options)
      assert.is_false(ok, text)
      assert.is_truthy(message:find(text, 1, true), message)
    end
  end)

  it("gives up in time when nobody answers, and names the time", function()
    local listener, port = listen({ host = "127.0.0.1", backlog = 1 })
    fill(port)
    local stream, message, code = tcp.connect({ host = "127.0.0.1", port = port, timeout = 0.2 })
    assert.is_nil(stream)
    assert.equal(("cannot connect to 127.0.0.1:%d: timed out after 0.2 s"):format(port), message)
    assert.equal("ETIMEDOUT", code)
    local results = { task.timeout(3, tcp.connect, { host = "127.0.0.1", port = port, timeout = 5 }) }
    assert.equal("ETIMEDOUT", results[3])
    assert.is_truthy(results[2]:find(": timed out after 2[%d.]* s$"), results[2]) -- nine tenths of it
    listener:close()
  end)

  it("does not take itself for a listener when it is given the very port that it dials", function()
    local in_namespace = 'ip link set lo up && echo "40000 40001" >/proc/sys/net/ipv4/ip_local_port_range'
    local test = assert(process.run({ "unshare", "-rn", "sh", "-c", in_namespace }))
    if test.code ~= 0 then return pending("needs a network namespace: " .. test.stderr) end
    local ended = run_script([[
      local tcp = require("engine.tcp")
      for _ = 1, 4 do print((select(2, tcp.connect({ host = "127.0.0.1", port = 40000 })))) end
    ]], { "unshare", "-rn", "sh", "-c", in_namespace .. ' && exec "$@"', "sh" })
    assert.equal(("cannot connect to 127.0.0.1:40000: connection refused\n"):rep(4), ended.stdout)
  end)

  it("leaves nothing behind when its task is cancelled", function()
    local listener, port = listen({ host = "127.0.0.1", backlog = 1 })
    fill(port)
    local before = scopes.handles()
    local attempt = task.spawn(tcp.connect, { host = "127.0.0.1", port = port })
    breathe()
    assert.is_true(scopes.handles() > before)
    attempt:cancel()
    assert.equal(before, scopes.handles())
    listener:close()
  end)

  it("ends with its scope", function()
    local listener, port = listen({ host = "127.0.0.1", backlog = 1 })
    fill(port)
    local scope = scopes.new()
    local attempt = scope:spawn(tcp.connect, { host = "127.0.0.1", port = port })
    breathe()
    scope:close()
    assert.same({ nil, "closed", "ECANCELED" }, { attempt:join() })
    listener:close()
  end)

  describe("to a name", function()
    local addresses = dns.addresses
    after_each(function() dns.addresses = addresses end)

    local function resolve_to(...)
      local list = {}
      for i, address in ipairs({ ... }) do list[i] = { address = address } end
      dns.addresses = function() return list end
    end

    it("resolves it", function()
      local listener, port = listen()
      local stream = assert(tcp.connect({ host = "localhost", port = port }))
      assert.same({ "127.0.0.1", port }, { stream:peer() })
      stream:close()
      listener:close()
    end)

    it("tries its addresses in turn", function()
      local listener, port = listen({ host = "127.0.0.3" })
      resolve_to("127.0.0.1", "::1", "127.0.0.3", "127.0.0.4")
      local stream = assert(tcp.connect({ host = "db.test", port = port }))
      assert.same({ "127.0.0.3", port }, { stream:peer() })
      stream:close()
      listener:close()
    end)

    it("leaves time for the others when one does not answer", function()
      local full, port = listen({ host = "127.0.0.1", backlog = 1 })
      fill(port)
      local listener = assert(tcp.listen({ host = "127.0.0.2", port = port }))
      resolve_to("127.0.0.1", "127.0.0.2")
      local started = timer.now()
      local stream = assert(tcp.connect({ host = "db.test", port = port, timeout = 4 }))
      local took = timer.now() - started
      assert.is_true(took > 1.9 and took < 3.9, took) -- the first had half of the time
      assert.same({ "127.0.0.2", port }, { stream:peer() })
      stream:close()
      full:close()
      listener:close()
    end)

    it("says what each address answered, and says the same only once", function()
      local listener, port = listen()
      listener:close()
      resolve_to("127.0.0.1", "255.255.255.255")
      local _, message, code = tcp.connect({ host = "db.test", port = port })
      assert.equal(("cannot connect to db.test:%d: 127.0.0.1: connection refused; "):format(port)
        .. "255.255.255.255: network is unreachable", message)
      assert.equal("ENETUNREACH", code)
      resolve_to("127.0.0.1", "127.0.0.2")
      _, message = tcp.connect({ host = "db.test", port = port })
      assert.equal(("cannot connect to db.test:%d: connection refused"):format(port), message)
    end)

    it("hands on why the name has no address", function()
      dns.addresses = function(_, options)
        assert.equal(3, options.timeout)
        return nil, "db.test: no such name", "ENOTFOUND"
      end
      local stream, message, code = tcp.connect({ host = "db.test", port = 5432, timeout = 3 })
      assert.is_nil(stream)
      assert.equal("cannot connect to db.test:5432: db.test: no such name", message)
      assert.equal("ENOTFOUND", code)
    end)
  end)
end)

describe("a stream", function()
  it("carries bytes both ways", function()
    local near, far = pair()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    assert.is_true(near:write(table.concat(bytes)))
    assert.equal(table.concat(bytes), far:read())
    assert.is_true(far:write("back"))
    assert.equal("back", near:read())
  end)

  it("reads exactly as many bytes as are asked for, however they come", function()
    local near, far = pair()
    local reading = task.spawn(function() return { far:read(3), far:read(1), far:read() } end)
    for letter in ("abcdef"):gmatch(".") do
      near:write(letter)
      breathe()
    end
    assert.same({ "abc", "d", "e" }, reading:wait())
    assert.equal("f", far:read(1))
  end)

  it("reads a megabyte in one piece", function()
    local near, far = pair()
    local data = ("0123456789abcdef"):rep(65536)
    task.spawn(near.write, near, data .. "rest")
    assert.is_true(far:read(#data) == data)
    assert.equal("rest", far:read(4))
  end)

  it("does not lose what came before the end", function()
    local near, far = pair()
    near:write("abc")
    near:close()
    assert.same({ nil, "eof", "EOF" }, { far:read(5) })
    assert.equal("abc", far:read())
    assert.same({ nil, "eof", "EOF" }, { far:read() })
    assert.same({ nil, "eof", "EOF" }, { far:read(1) })
  end)

  it("loses nothing when a read was given up", function()
    local near, far = pair()
    assert.equal("ETIMEDOUT", select(3, task.timeout(0.005, far.read, far)))
    assert.equal("ETIMEDOUT", select(3, task.timeout(0.005, far.read, far, 6)))
    near:write("abc")
    assert.equal("ETIMEDOUT", select(3, task.timeout(0.005, far.read, far, 6)))
    near:write("def")
    assert.equal("abcdef", far:read(6))
  end)

  it("holds its sender up when nobody reads, and then gives all of it in order", function()
    local near, far = pair()
    local pieces, written = 512, 0
    local piece = function(i) return ("%08d"):format(i):rep(8192) end
    local writing = task.spawn(function()
      for i = 1, pieces do
        assert(near:write(piece(i)))
        written = i
      end
      near:close()
    end)
    assert.equal("0", far:read(1)) -- from here on it would read as fast as it can
    task.sleep(0.2)
    local held_up = written
    assert.equal("0000001", far:read(7))
    assert.is_true(far:read(65528) == piece(1):sub(9))
    for i = 2, pieces do assert.is_true(far:read(65536) == piece(i)) end
    assert.same({ nil, "eof", "EOF" }, { far:read() })
    writing:wait()
    assert.is_true(held_up < pieces, "32 MB went to somebody who read 1 byte")
  end)

  it("ends one direction and goes on in the other", function()
    local near, far = pair()
    assert.is_true(near:shutdown())
    assert.same({ nil, "eof", "EOF" }, { far:read() })
    assert.is_true(far:write("still heard"))
    assert.equal("still heard", near:read())
    local ok, message, code = near:write("too late")
    assert.is_nil(ok)
    assert.is_truthy(message:find("^cannot write to 127.0.0.1:%d+: broken pipe$"), message)
    assert.equal("EPIPE", code)
  end)

  it("says that the peer reset it", function()
    local near, far = pair()
    near:write("never read")
    far:close()
    local data, message, code = near:read()
    assert.is_nil(data)
    assert.is_truthy(message:find("^cannot read from 127.0.0.1:%d+: connection reset by peer$"), message)
    assert.equal("ECONNRESET", code)
    assert.is_nil((near:write("more")))
  end)

  it("wakes who reads or writes when it is closed", function()
    local near = pair()
    local reading = task.spawn(near.read, near)
    local writing = task.spawn(near.write, near, ("x"):rep(2 ^ 25))
    breathe()
    near:close()
    assert.same({ nil, "closed", "ECANCELED" }, { reading:wait() })
    assert.same({ nil, "closed", "ECANCELED" }, { writing:wait() })
    for _, method in ipairs({ "read", "flush", "shutdown", "address", "peer" }) do
      assert.same({ nil, "closed", "ECANCELED" }, { near[method](near) })
    end
    assert.same({ nil, "closed", "ECANCELED" }, { near:write("x") })
    near:close()
  end)

  it("closes with its scope", function()
    local listener, port = listen()
    local scope = scopes.new()
    local stream = scope:run(tcp.connect, { host = "127.0.0.1", port = port })
    local far = listener:accept()
    scope:close()
    assert.same({ nil, "eof", "EOF" }, { far:read() })
    assert.same({ nil, "closed", "ECANCELED" }, { stream:read() })
    far:close()
    listener:close()
  end)

  it("raises for a second reader and a second writer", function()
    local near, far = pair()
    local reading = task.spawn(near.read, near)
    local writing = task.spawn(near.write, near, ("x"):rep(2 ^ 25))
    breathe()
    assert.error_matches(function() near:read() end, "another task reads from 127.0.0.1:%d+ already")
    assert.error_matches(function() near:write("y") end, "another task writes to 127.0.0.1:%d+ already")
    assert.error_matches(function() near:shutdown() end, "another task writes to")
    assert.error_matches(function() near:flush() end, "another task writes to")
    near:close()
    far:close()
    reading:wait()
    writing:wait()
  end)

  it("sends the rest of a write that was given up, and no other bytes between", function()
    local near, far = pair()
    local data = ("0123456789abcdef"):rep(2 ^ 21)
    assert.equal("ETIMEDOUT", select(3, task.timeout(0.02, near.write, near, data)))
    local ok, message, code = near:write("more")
    assert.is_nil(ok)
    assert.is_truthy(message:find("is still under way", 1, true), message)
    assert.equal("EBUSY", code)
    assert.equal("EBUSY", select(3, near:shutdown()))
    data = nil -- luacheck: ignore 311 (only the stream holds it now)
    collectgarbage()
    local reading = task.spawn(function() return far:read(2 ^ 25) end)
    assert.is_true(near:flush())
    assert.is_true(near:write("more"))
    assert.is_true(reading:wait() == ("0123456789abcdef"):rep(2 ^ 21))
    assert.equal("more", far:read())
  end)

  it("lets others run while it writes, though the kernel would take all of it", function()
    local near, far = pair()
    local has_run = false
    task.spawn(function() has_run = true end)
    local reading = task.spawn(far.read, far, 40 * 2 ^ 15)
    for _ = 1, 40 do assert(near:write(("x"):rep(2 ^ 15))) end
    assert.is_true(has_run)
    reading:wait()
  end)

  it("writes nothing at once", function()
    local near, far = pair()
    assert.is_true(near:write(""))
    assert.is_true(near:flush())
    near:write("x")
    assert.equal("x", far:read())
  end)

  it("raises for wrong arguments", function()
    local near = pair()
    for _, count in ipairs({ 0, -1, 1.5, 0 / 0, 2 ^ 31, math.huge }) do
      assert.error_matches(function() near:read(count) end, "expected a count of bytes from 1 to 2%^30")
    end
    assert.error_matches(function() near:write() end, "string expected")
    assert.error_matches(function() near.read({}) end, "expected a stream as self, found a table")
  end)

  it("is closed when nobody has it any more", function()
    local listener, port = listen()
    assert(tcp.connect({ host = "127.0.0.1", port = port }))
    local far = listener:accept()
    for _ = 1, 3 do collectgarbage() end
    assert.same({ nil, "eof", "EOF" }, { far:read() })
    far:close()
    listener:close()
  end)
end)

describe("tcp.listen", function()
  it("takes connections in their order, those that came before it was asked too", function()
    local listener, port = listen()
    local streams = {}
    for i = 1, 100 do
      streams[i] = assert(tcp.connect({ host = "127.0.0.1", port = port }))
      streams[i]:write(tostring(i))
    end
    for i = 1, 100 do
      local far = assert(listener:accept())
      assert.equal(tostring(i), far:read())
      far:close()
      streams[i]:close()
    end
    listener:close()
  end)

  it("says that an address is taken, is not ours, or is none", function()
    local listener, port = listen()
    local function fails(host, code, text)
      local other, message, found = tcp.listen({ host = host, port = port })
      assert.is_nil(other)
      assert.equal(text:format(port), message)
      assert.equal(code, found)
    end
    fails("127.0.0.1", "EADDRINUSE", "cannot listen on 127.0.0.1:%d: address already in use")
    fails("192.0.2.1", "EADDRNOTAVAIL", "cannot listen on 192.0.2.1:%d: address not available")
    fails("localhost", "EINVAL", "cannot listen on localhost:%d: expected an address like 0.0.0.0 or ::1")
    listener:close()
  end)

  it("may listen again at once where connections were", function()
    local near, far, listener = pair()
    local _, port = listener:address()
    far:close() -- the side that closes first waits in TIME_WAIT
    near:read()
    listener:close()
    assert(tcp.listen({ host = "127.0.0.1", port = port })):close()
  end)

  it("wakes who accepts when it is closed, and refuses a second one", function()
    local listener = listen()
    local accepting = task.spawn(listener.accept, listener)
    breathe()
    assert.error_matches(function() listener:accept() end, "another task accepts on 127.0.0.1:0 already")
    listener:close()
    assert.same({ nil, "closed", "ECANCELED" }, { accepting:wait() })
    assert.same({ nil, "closed", "ECANCELED" }, { listener:accept() })
    assert.same({ nil, "closed", "ECANCELED" }, { listener:address() })
  end)

  it("loses no connection when an accept was given up", function()
    local listener, port = listen()
    assert.equal("ETIMEDOUT", select(3, task.timeout(0.005, listener.accept, listener)))
    local stream = assert(tcp.connect({ host = "127.0.0.1", port = port }))
    local far = assert(listener:accept())
    assert.same({ stream:address() }, { far:peer() })
    far:close()
    stream:close()
    listener:close()
  end)

  it("raises for wrong options", function()
    assert.error_matches(function() tcp.listen({ backlog = 0 }) end, 'option "backlog": expected an integer from 1 to 65535, found 0')
    assert.error_matches(function() tcp.listen({ timeout = 1 }) end, 'unknown option "timeout"')
  end)

  it("waits without spinning while descriptors have run out, and then goes on", function()
    local ended = run_script([[
      local tcp, task = require("engine.tcp"), require("engine.task")
      local listener = assert(tcp.listen({ host = "127.0.0.1" }))
      local _, port = listener:address()
      local near = assert(tcp.connect({ host = "127.0.0.1", port = port }))
      local files = {}
      for file in function() return (io.open("/dev/null")) end do files[#files + 1] = file end
      local refused, _, code = tcp.connect({ host = "127.0.0.1", port = port })
      local accepting = task.spawn(listener.accept, listener)
      local cpu = os.clock()
      task.sleep(1)
      cpu = os.clock() - cpu
      for _, file in ipairs(files) do file:close() end
      near:write("late")
      print(refused, code, accepting:wait():read(), cpu < 0.15 and "idle" or cpu)
    ]], { "sh", "-c", 'ulimit -n 40; exec "$@"', "sh" })
    assert.equal("nil\tEMFILE\tlate\tidle\n", ended.stdout)
    assert.is_truthy(ended.stderr:find("cannot accept on 127.0.0.1:0: too many open files", 1, true), ended.stderr)
  end)

  it("has room made where descriptors have run out, as long as there is something to close", function()
    local ended = run_script([[
      local tcp, task, timer = require("engine.tcp"), require("engine.task"), require("engine.timer")
      local listener = assert(tcp.listen({ host = "127.0.0.1" }))
      local _, port = listener:address()
      local near, files, asked, quick = {}, {}, 0, 0
      for i = 1, 6 do near[i] = assert(tcp.connect({ host = "127.0.0.1", port = port })) end
      for file in function() return (io.open("/dev/null")) end do files[#files + 1] = file end
      local spare = {}
      for i = 1, 5 do spare[i] = table.remove(files) end
      local function make_room()
        asked = asked + 1
        return spare[asked] ~= nil and spare[asked]:close()
      end
      local far = {}
      for i = 1, 5 do
        local since = timer.now()
        far[i] = listener:accept(make_room)
        if timer.now() - since < 0.1 then quick = quick + 1 end
      end
      print(asked, quick >= 3 and "without a pause" or quick)
      print(task.timeout(1.1, listener.accept, listener, make_room))
      print(asked >= 5 + 2 and asked <= 5 + 12 and "ten times a second" or asked)
    ]], { "sh", "-c", 'ulimit -n 40; exec "$@"', "sh" })
    assert.equal("5\twithout a pause\nnil\ttimed out after 1.1 s\tETIMEDOUT\nten times a second\n", ended.stdout)
  end)
end)

describe("a Unix socket", function()
  local place
  before_each(function() place = folder.new() end)
  after_each(function() place:remove() end)

  it("connects through a file, which goes with the listener", function()
    local path = place.path .. "/socket"
    local near, far, listener = pair({ path = path })
    near:write("hello")
    assert.equal("hello", far:read())
    assert.equal(path, near:peer())
    assert.equal(path, listener:address())
    listener:close()
    assert.is_nil(io.open(path))
    assert.same({ nil, ("cannot connect to %s: no such file or directory"):format(path), "ENOENT" },
      { tcp.connect({ path = path }) })
  end)

  it("says that a file was left by somebody who is gone", function()
    local path = place.path .. "/socket"
    local listener = listen({ path = path })
    assert.same({ nil, ("cannot listen on %s: address already in use"):format(path), "EADDRINUSE" },
      { tcp.listen({ path = path }) })
    assert(os.rename(path, path .. "2")) -- so that its end does not remove it
    listener:close()
    local other, message, code = tcp.listen({ path = path .. "2" })
    assert.is_nil(other)
    assert.equal(("cannot listen on %s2: a socket file is left there that nobody listens on: remove it"):format(path), message)
    assert.equal("EADDRINUSE", code)
    assert.equal("ECONNREFUSED", select(3, tcp.connect({ path = path .. "2" })))
  end)

  it("leaves a file alone that took its place", function()
    local path = place.path .. "/socket"
    local listener = listen({ path = path })
    assert(os.remove(path))
    assert(io.open(path, "w")):close()
    listener:close()
    assert(io.open(path)):close()
  end)

  it("says that a path is too long or leads nowhere", function()
    local path = place.path .. ("/" .. ("x"):rep(100))
    local message = ": name too long"
    assert.is_truthy(select(2, tcp.listen({ path = path })):find(message, 1, true))
    assert.is_truthy(select(2, tcp.connect({ path = path })):find(message, 1, true))
    assert.equal("ENOENT", select(3, tcp.listen({ path = place.path .. "/nowhere/socket" })))
  end)
end)
