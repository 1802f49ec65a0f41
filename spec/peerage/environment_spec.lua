-- SPDX-License-Identifier: MIT
-- What a provider can break, and that it breaks it for itself only.
local Hearing = require("support.hearing")
local environment = require("peerage.environment")

local function run(code, globals)
  local chunk = assert(loadstring(code, "=code"))
  return setfenv(chunk, globals or environment.new())()
end

local function fails(code, expected)
  local ok, message = pcall(run, code)
  assert.is_false(ok, code .. " did not raise")
  assert.is_truthy(message:find(expected, 1, true), message)
end

describe("an environment", function()
  it("keeps globals to itself", function()
    local one, other = environment.new(), environment.new()
    run("x = 1; _G.y = 2; rawset(_G, 'z', 3)", one)
    assert.equal(6, run("return x + y + z", one))
    assert.is_nil(run("return x or y or z", other))
    assert.is_nil(rawget(_G, "x") or rawget(_G, "y") or rawget(_G, "z"))
  end)

  it("has copies of the libraries, so that what is broken in one is whole in another", function()
    local one, other = environment.new(), environment.new()
    run("string.rep = nil; table.sort = nil; math = nil; coroutine.wrap = nil; io.open = nil; os.time = nil; bit.band = nil", one)
    assert.equal("aa", run("return string.rep('a', 2)", other))
    assert.equal("aa", ("a"):rep(2))
    assert.same({ "function", "function", "function", "function", "function", "function" },
      { type(table.sort), type(math.floor), type(coroutine.wrap), type(io.open), type(os.time), type(bit.band) })
  end)

  it("has the methods of strings and files, and no way to their metatables", function()
    assert.equal("aa", run("return ('a'):rep(2)"))
    fails("getmetatable('').__index.rep = nil", "nil value")
    fails("setmetatable('', {})", "table expected")
    fails("getmetatable(io.stdout).__index.write = nil", "nil value")
    fails("io.open('/dev/null').__index.read = nil", "nil value")
    assert.is_true(run("local file = io.open('/dev/null'); return file.__gc == nil and file.__metatable == nil and file:close()"))
    assert.equal("aa", ("a"):rep(2))
    assert.equal("function", type(io.stdout.write))
  end)

  it("gives the metatables that it has set, and no others", function()
    assert.same({ true, 5 }, { run([[
      local class = { __index = { five = 5 } }
      local object = setmetatable({}, class)
      return getmetatable(object) == class, object.five]]) })
    assert.equal("mine", run("return getmetatable(setmetatable({}, { __metatable = 'mine' }))"))
    assert.is_nil(run("return getmetatable({})"))
    local class = { __index = { whole = true } }
    local globals = environment.new({ object = setmetatable({}, class) })
    assert.equal("closed", run("return getmetatable(object)", globals))
    fails("setmetatable({})", "code:1: bad argument #2 to 'setmetatable' (nil or table expected)")
    fails("setmetatable(setmetatable({}, { __metatable = 1 }), {})", "cannot change a protected metatable")
    fails("getmetatable()", "value expected")
  end)

  it("has a default input and output of its own", function()
    local path = os.tmpname()
    local one, other = environment.new({ path = path }), environment.new()
    run("io.output(path); io.write('two\\nlines\\n'); io.close()", one)
    assert.equal(io.stdout, io.output())
    assert.is_true(run("return io.output() == io.stdout", other))
    assert.equal("two", run("io.input(path); return io.read()", one))
    assert.equal("lines", run("for line in io.lines() do return line end", one))
    assert.equal("two", run("for line in io.lines(path) do return line end", one))
    assert.equal(io.stdin, io.input())
    assert.is_nil(run("return io.input()", other))
    os.remove(path)
    fails("io.output('/no/such')", "/no/such: No such file or directory")
    fails("io.input(3)", "expected a file or its name, found a number")
  end)

  it("writes to the log what is written to the standard files, a line a message", function()
    local hearing = Hearing.start()
    run("io.write('one\\ntw', 0, '\\nthree'); io.stderr:write('oops\\n'):flush(); io.stdout:flush(); io.flush()")
    run("io.write(('x'):rep(10000))")
    hearing:stop()
    local said = {}
    for i, each in ipairs(hearing.said) do said[i] = each.message end
    assert.same({ "one", "tw0", "oops", "three", ("x"):rep(10000) }, said)
    assert.equal("file", run("return io.type(io.stdout)"))
    fails("io.write({})", "bad argument #1 to 'write' (string expected, got table)")
    assert.same({ nil, "the log cannot be read" }, { run("return io.stdout:read()") })
  end)

  it("has nothing that would hold up the engine: no standard input, no programs but the engine's", function()
    assert.is_nil(run("return io.stdin"))
    fails("io.read()", "code:1: a provider has no standard input: name a file")
    fails("io.lines()", "a provider has no standard input")
    fails("os.execute('true')", "code:1: os.execute would hold up the engine: use engine.process.run{ … }")
    fails("io.popen('true')", "code:1: io.popen would hold up the engine: use engine.process.run{ … }")
  end)

  it("has 64 open files at once, those that nobody has any more not counted", function()
    local one, other = environment.new(), environment.new()
    run("kept = {}; for i = 1, 64 do kept[i] = assert(io.open('/dev/null')) end", one)
    local refused = { nil, "too many open files of this provider: 64", 24 }
    assert.same(refused, { run("return io.open('/dev/null')", one) })
    assert.same(refused, { run("return io.tmpfile()", one) })
    assert.same({ false, "code:1: " .. refused[2] }, { pcall(run, "for _ in io.lines('/dev/null') do end", one) })
    assert.is_true(run("return io.open('/dev/null'):close()", other))
    assert.is_true(run("kept[1]:close(); return io.open('/dev/null'):close()", one))
    assert.is_true(run("kept = nil; for _ = 1, 200 do io.open('/dev/null') end; return io.open('/dev/null'):close()", one))
  end)

  it("closes at its end a file whose lines are read", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("one\ntwo\n")
    file:close()
    local globals = environment.new({ path = path })
    assert.equal("onetwo", run([[
      local all
      for _ = 1, 100 do
        all = ""
        for line in io.lines(path) do all = all .. line end
      end
      return all]], globals))
    fails("io.lines(nil, 3)", "no standard input")
    local code = "local each = io.lines(path); each() each() each() return pcall(function() each() end)"
    assert.same({ false, "code:1: file is already closed" }, { run(code, globals) })
    os.remove(path)
  end)

  it("cannot close the standard files", function()
    assert.same({ nil, "cannot close standard file" }, { run("return io.stderr:close()") })
    assert.same({ nil, "cannot close standard file" }, { run("return io.close()") })
  end)

  it("leaves the random numbers and the locale of others alone", function()
    run("math.randomseed(1)")
    local first = math.random()
    run("math.randomseed(1)")
    assert.are_not.equal(first, math.random())
    assert.is_nil(run("return os.setlocale"))
  end)

  for _, name in ipairs({ "debug", "ffi", "jit", "newproxy", "getfenv", "setfenv", "module", "package", "gcinfo", "require" }) do
    it("has no " .. name, function()
      assert.is_nil(run("return " .. name))
      assert.is_nil(run("return _G." .. name))
    end)
  end

  it("cannot end the process", function() fails("os.exit()", "field 'exit'") end)

  it("leaves the collector alone", function()
    for _, option in ipairs({ "'stop'", "'setpause', 1", "'collect'", "" }) do
      fails(("collectgarbage(%s)"):format(option), 'collectgarbage: only "count" is open to providers')
    end
    assert.equal("number", type(run("return collectgarbage('count')")))
  end)

  it("loads text into itself", function()
    local globals = environment.new()
    assert.equal(7, run("load('x = 7')(); return x", globals))
    assert.equal(8, run("loadstring('x = 8')(); return x", globals))
    assert.equal(9, run("return load('return x', 'name', 't', { x = 9 })()", globals))
    assert.equal(3, run("local parts = { 'return ', '3' }; local i = 0; return load(function() i = i + 1; return parts[i] end)()"))
    assert.is_nil(rawget(_G, "x"))
  end)

  it("reports the syntax errors of loaded text", function()
    local chunk, message = run("return load('return return', '=text')")
    assert.is_nil(chunk)
    assert.is_truthy(message:find("text:1:", 1, true))
  end)

  it("refuses compiled code", function()
    local globals = environment.new({ code = string.dump(function() return 1 end) })
    for _, how in ipairs({ "load(code)", "loadstring(code)", "load(code, 'x', 'bt')", "load('return 1', 'x', 'b')",
      "load(function() local part = code; code = nil; return part end)" }) do
      local chunk, message = run("return " .. how, globals)
      assert.is_nil(chunk, how)
      assert.equal("load: only text may be loaded", message)
    end
    fails("string.dump(print)", "field 'dump'")
  end)

  it("loads files into itself, and no compiled ones", function()
    local path = os.tmpname()
    local globals = environment.new({ path = path })
    local function write(text)
      local file = assert(io.open(path, "wb"))
      file:write(text)
      file:close()
    end
    write("x = (x or 0) + 1 return x")
    assert.equal(1, run("return dofile(path)", globals))
    assert.equal(2, run("return loadfile(path)()", globals))
    write(string.dump(function() return 1 end))
    assert.is_nil((run("return loadfile(path)", globals)))
    os.remove(path)
    assert.is_false((pcall(run, "dofile(path)", globals)))
    assert.is_nil(rawget(_G, "x"))
  end)

  it("has an xpcall whose handler runs after the call, with arguments and results", function()
    assert.same({ true, 1, nil, 3 }, { run("return xpcall(function(...) return ... end, print, 1, nil, 3)") })
    assert.same({ false, "handled: boom" },
      { run("return xpcall(function() error('boom', 0) end, function(message) return 'handled: ' .. message end)") })
  end)

  it("prints to the log", function()
    local hearing = Hearing.start()
    run("print('a', 1, nil, true)")
    hearing:stop()
    assert.same({ "info", "a\t1\tnil\ttrue" }, { hearing.said[1].level, hearing.said[1].message })
  end)
end)
