-- SPDX-License-Identifier: MIT
-- What requests keep, and what they leave: connections, descriptors, memory.
local Daemon = require("support.daemon")
local account = require("engine.account")
local eventually = require("support.eventually")
local folder = require("support.folder")
local http = require("engine.http")
local process = require("engine.process")
local scopes = require("engine.scope")
local server = require("support.http_server")
local task = require("engine.task")
local tcp = require("engine.tcp")

local MOST_KEPT = 16 -- connections
local answer = server.answer

local to_undo = {}

after_each(function()
  for i = #to_undo, 1, -1 do to_undo[i]() end
  to_undo = {}
end)

local function later(undo) to_undo[#to_undo + 1] = undo end

local function serve(script, options)
  local started = server.start(script, options)
  later(function() started:stop() end)
  return started
end

-- A response that stays open.
local function open_stream()
  local it_is = serve(function(_, stream)
    stream:write("HTTP/1.1 200 OK\r\n\r\n")
    stream:read()
  end)
  local response = assert(http.stream({ url = it_is.url }))
  later(function() response:close() end)
end

-- With nothing else under way, and beside a stream.
local function in_both_ways(check)
  check()
  open_stream()
  check()
end

-- A port on 127.0.0.1 that takes no more connections, so that one stays under way.
local function full_port()
  local listener = assert(tcp.listen({ host = "127.0.0.1", backlog = 1 }))
  local port, waiting = select(2, listener:address()), {}
  repeat
    local stream = tcp.connect({ host = "127.0.0.1", port = port, timeout = 0.2 })
    waiting[#waiting + 1] = stream
  until not stream
  later(function()
    listener:close()
    for _, stream in ipairs(waiting) do stream:close() end
  end)
  return port
end

-- How many connections to a server are open, once no more are closed.
local function count_kept(it_is)
  local closed = 0
  while task.timeout(0.2, it_is.closed.pop, it_is.closed) do closed = closed + 1 end
  return #it_is.streams - closed
end

describe("connections", function()
  it("are kept, but only a few, however many there were", function()
    in_both_ways(function()
      local it_is, tasks = serve(function() return answer("ok") end), {}
      for i = 1, 60 do tasks[i] = task.spawn(http.request, { url = it_is.url }) end
      for i = 1, 60 do assert.equal("ok", assert(tasks[i]:wait()).body) end
      assert.equal(MOST_KEPT, count_kept(it_is))
    end)
  end)

  it("that never came about leave nothing behind, whoever gets their descriptors", function()
    local port = full_port()
    in_both_ways(function()
      for _ = 1, 3 do
        local _, _, code = http.request({ url = ("http://127.0.0.1:%d/"):format(port), connect_timeout = 0.02 })
        assert.equal("ETIMEDOUT", code)
      end
      for i = 1, 50 do
        local asking = task.spawn(http.request, { url = ("http://127.0.0.1:%d/"):format(port) })
        for _ = 1, i % 8 do task.sleep(0) end
        asking:cancel()
        assert(tcp.listen({ host = "127.0.0.1" })):close()
      end
      local it_is = serve(function() return answer("ok") end)
      for _ = 1, 3 do assert.equal("ok", assert(http.request({ url = it_is.url })).body) end
      assert.equal(1, #it_is.streams)
    end)
  end)

  it("are not made for who is cancelled in the turn in which they ask", function()
    in_both_ways(function()
      local it_is, tasks = serve(function() return answer("ok") end), {}
      for i = 1, 9 do tasks[i] = task.spawn(http.request, { url = it_is.url }) end
      local cancelling = task.spawn(function() -- behind them, and before the loop turns
        for i = 1, 9, 2 do tasks[i]:cancel() end
      end)
      for i = 2, 9, 2 do assert.equal("ok", assert(tasks[i]:wait()).body) end
      cancelling:wait()
      for i = 1, 9, 2 do assert.same({ nil, "closed", "ECANCELED" }, { tasks[i]:wait() }) end
      assert.equal(4, #it_is.requests)
      assert.equal("ok", assert(http.request({ url = it_is.url })).body)
    end)
  end)

  -- libcurl asks again by another connection, by itself.
  it("on which something came when another one ended do not answer in its place", function()
    in_both_ways(function()
      local used, server_of = {}, {}
      local it_is = serve(function(request, stream)
        if request.path == "/mine" and not used.mine then
          used.mine = true
          stream:close()
          for other in pairs(server_of) do
            if other ~= stream then other:write(answer("nobody asked for this", nil, "408 Request Timeout")) end
          end
          return nil
        end
        server_of[stream] = true
        if request.path == "/warm" then task.sleep(0.02) end
        return answer("ok")
      end)
      task.all({
        function() assert(http.request({ url = it_is.url .. "/warm" })) end,
        function() assert(http.request({ url = it_is.url .. "/warm" })) end,
      })
      local mine = assert(http.request({ url = it_is.url .. "/mine" }))
      assert.same({ 200, "ok" }, { mine.status, mine.body })
      assert.equal(3, #it_is.streams)
    end)
  end)

  it("on which more came than was asked for are not used again", function()
    in_both_ways(function()
      local it_is = serve(function(request, stream)
        if request.path == "/first" then
          stream:write(answer("ok"))
          task.sleep(0.02)
          return answer("nobody asked for this")
        end
        return answer("the second")
      end)
      assert.equal("ok", assert(http.request({ url = it_is.url .. "/first" })).body)
      task.sleep(0.1)
      assert.equal("the second", assert(http.request({ url = it_is.url })).body)
      assert.equal(2, #it_is.streams)
    end)
  end)

  -- Two answers are there at once; who got the first works while more comes, and then asks again.
  it("are not used again with what came while someone was at work", function()
    local it_is = serve(function(request, stream)
      if request.path == "/mine" then return answer("mine") end
      if request.path == "/first" then
        stream:write(answer("first"))
        task.sleep(0.02)
        return answer("nobody's")
      end
      return answer("second")
    end)
    local files = folder.new()
    later(function() files:remove() end)
    local script = files:write("ask.lua", [[
      local http, task = require("engine.http"), require("engine.task")
      local function work(seconds)
        local started = os.clock()
        while os.clock() - started < seconds do end
      end
      local first = task.spawn(function()
        http.request({ url = arg[1] .. "/first" })
        work(0.1)
        print(http.request({ url = arg[1] .. "/mine" }).body)
      end)
      local second = task.spawn(http.request, { url = arg[1] .. "/second" })
      task.sleep(0.005)
      work(0.05)
      first:wait()
      second:wait()
    ]])
    for _ = 1, 5 do
      assert.equal("mine\n", assert(process.run({ Daemon.binary(), "run", script, it_is.url, timeout = 20 })).stdout)
    end
  end)

  it("cost nothing while they are kept, also when the server answered before it had all", function()
    local early = serve(function(_, stream)
      stream:write(answer("early"))
      repeat until not stream:read()
    end)
    early.reads_heads_only = true
    open_stream()
    assert.equal("early", assert(http.request({ url = early.url, method = "POST", body = ("b"):rep(12000000) })).body)
    local before = os.clock()
    task.sleep(0.3)
    assert.is_true(os.clock() - before < 0.1, os.clock() - before .. " s of CPU")
  end)

  it("are not handed to programs, nor what libcurl opens for itself", function()
    local files = folder.new()
    later(function() files:remove() end)
    local it_is = serve(function() return answer("ok") end)
    local script = files:write("ask.lua", [[
      local http, process = require("engine.http"), require("engine.process")
      local function count() return select(2, assert(process.run({ "ls", "-l", "/proc/self/fd" })).stdout:gsub("socket:", "")) end
      local before = count()
      assert(http.request({ url = arg[1] }))
      print(count() - before)
    ]])
    assert.equal("0\n", assert(process.run({ Daemon.binary(), "run", script, it_is.url })).stdout)
  end)
end)

describe("what is received", function()
  it("is charged to who asked, and refused where its memory ends", function()
    local small = account.new({ label = "small", memory_limit = 1000000 })
    local scope, tasks, bytes = scopes.new("small", nil, small), {}, ("x"):rep(1000000)
    later(function() scope:close() end)
    local it_is = serve(function(_, stream)
      stream:write("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" .. bytes)
      stream:read()
    end)
    for i = 1, 20 do tasks[i] = scope:spawn(http.request, { url = it_is.url }) end
    local refused = 0
    for i = 1, 20 do
      task.spawn(function()
        local ok, _, message, code = tasks[i]:join()
        if not ok or code == "ENOMEM" and message:find("not enough memory", 1, true) then refused = refused + 1 end
      end)
    end
    eventually(function()
      assert.is_true(small:stats().bytes <= 2.2 * 1000000, small:stats().bytes .. " bytes")
      return refused >= 15
    end)
  end)
end)
